"""Load: a thousand walks at once, by two ways, before a Bedrock that is well and one that is not; and memory."""
