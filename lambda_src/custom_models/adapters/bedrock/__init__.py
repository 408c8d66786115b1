"""Bedrock as a page source. botocore's names and concepts stay in this package."""

from custom_models.adapters.bedrock.client import BedrockSource
from custom_models.adapters.bedrock.deadline import MAX_ATTEMPT_SECONDS

__all__ = ["MAX_ATTEMPT_SECONDS", "BedrockSource"]
