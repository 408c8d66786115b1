"""The API on one machine: a stand-in for API Gateway, the real function, and an emulator of Bedrock."""


class SetupError(Exception):
    """An option, a file, the environment or this machine prevents the start. The text says what is wrong."""
