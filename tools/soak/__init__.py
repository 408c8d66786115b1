"""Load tests: a thousand walks at once in two environments, with and without faults of Bedrock; and memory."""
