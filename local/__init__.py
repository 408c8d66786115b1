"""The API on one machine: a stand-in for API Gateway, the real function, and an emulator of Bedrock."""


class SetupError(Exception):
    """The API cannot start with these options, files or environment variables. The text says what is wrong."""


DEFAULT_COUNT, MAX_COUNT = 300, 1_000_000
"""How many models the embedded emulator generates."""

WITHOUT_OPERATION = "af-south-1"
"""In this region of an inventory, the embedded emulator does not offer the operation, as happens on AWS."""
