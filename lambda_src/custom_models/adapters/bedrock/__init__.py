"""Bedrock as a page source. botocore's names and concepts stay in this package."""

from custom_models.adapters.bedrock.client import Bedrock
from custom_models.adapters.bedrock.credentials import AccountCredentials, MemberRole
from custom_models.adapters.bedrock.deadline import MAX_ATTEMPT_SECONDS

__all__ = ["MAX_ATTEMPT_SECONDS", "AccountCredentials", "Bedrock", "MemberRole"]
