"""Load tests: a thousand concurrent walks in two environments, with and without faults of Bedrock; and memory."""
