"""The clients of Bedrock: one per region, for all accounts."""

from collections.abc import Collection, Mapping
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from custom_models.adapters.bedrock import connections, deadline, events
from custom_models.adapters.bedrock.calls import BedrockCalls
from custom_models.adapters.bedrock.credentials import AccountCredentials, RequestCredentials, sign_per_exchange
from custom_models.core.budget import Limits
from custom_models.core.listing import MAX_AHEAD


class Bedrock:
    """The custom models of all accounts and regions, as a page source."""

    def __init__(
        self, session: botocore.session.Session, regions: Collection[str], credentials: AccountCredentials
    ) -> None:
        """Create the clients, with ``AWS_ENDPOINT_URL_BEDROCK`` if it is set.

        Raises:
            BotoCoreError: an endpoint or another setting cannot be used.
        """
        self._credentials = credentials
        sign_per_exchange(session)
        boto3_session = boto3.Session(botocore_session=session)
        self._paginators: Mapping[str, Any] = {region: _paginator(boto3_session, region) for region in regions}

    def open(self, limits: Limits) -> BedrockCalls:
        """Return the calls of one request; see PageSource."""
        return BedrockCalls(self._paginators, RequestCredentials(self._credentials), limits)


def _paginator(session: boto3.Session, region: str) -> Any:
    client = session.client(
        "bedrock",
        region_name=region,
        config=Config(
            connect_timeout=deadline.CONNECT_TIMEOUT,
            read_timeout=deadline.READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": deadline.MAX_ATTEMPTS},
            max_pool_connections=MAX_AHEAD + 1,
            # Set here because botocore would send AWS_BEARER_TOKEN_BEDROCK instead of a signature, if it is set: the
            # models of the token's account would be listed as those of every source.
            signature_version="v4",
            # Set here because botocore would build its own twice per request: 10% of a small request's time.
            user_agent=f"custom-models-api Boto3/{boto3.__version__}",
            # Query has already validated the parameters, and more strictly.
            parameter_validation=False,
        ),
    )
    events.register(client.meta.events)
    connections.record(client)
    return client.get_paginator("list_custom_models")
