"""The API on one machine: a stand-in for API Gateway, an emulator of Bedrock, and the real function between them."""
