"""The Bedrock client. It uses boto3's paginator, one page at a time.

Each upstream call starts a new ``paginate()`` and reads one page from it. Reading more pages from the
same ``paginate()`` would be wrong: botocore sends the same ``maxResults`` each time and cuts pages to
``MaxItems``, so models are repeated if the page size changes on resume (docs/adr/0003-paging.md).
"""

from typing import Any

import boto3
from botocore.config import Config

from custom_models.adapters.bedrock import deadline, events, response
from custom_models.adapters.bedrock.errors import loggable_code, translate, translate_credentials
from custom_models.core.budget import Limits, Usage
from custom_models.core.errors import UpstreamInvalid, UpstreamUnavailable
from custom_models.core.models import Page
from custom_models.core.parameters import Filters


class BedrockSource:
    """The custom models of one account in one region."""

    def __init__(self, session: boto3.Session, account: str | None = None) -> None:
        """Create the client from the session's region and credentials and ``AWS_ENDPOINT_URL_BEDROCK``.

        ``account`` is the id of the account that the credentials belong to, if it is known.

        Raises:
            BotoCoreError: no region is set, or an endpoint is not a URL.
        """
        self.account = account
        self._credentials = session.get_credentials()
        self.max_attempt_seconds: float = deadline.MAX_ATTEMPT_SECONDS
        self._client = session.client(
            "bedrock",
            config=Config(
                connect_timeout=deadline.CONNECT_TIMEOUT,
                read_timeout=deadline.READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": deadline.MAX_ATTEMPTS},
                # Set here because botocore would build its own twice per request: 10% of a small request's time.
                user_agent=f"custom-models-api Boto3/{boto3.__version__}",
                # Query has already validated the parameters, and more strictly.
                parameter_validation=False,
            ),
        )
        events.register(self._client.meta.events)
        self._paginator = self._client.get_paginator("list_custom_models")

    def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
        """Return one page; see PageSource."""
        try:
            with events.call_in_progress(limits, usage) as call, deadline.interrupt_after(limits.remaining):
                self._request(filters, page_size, token, call)
            return response.page(call.content)
        except UpstreamInvalid:
            # The rest of a broken response must not be read as the response to another request.
            self._client.close()
            raise
        except TimeoutError:
            # The deadline passed outside the botocore code that converts a timeout to botocore's own exception.
            self._client.close()
            usage.last_error = TimeoutError.__name__
            raise UpstreamUnavailable from None

    def _request(self, filters: Filters, page_size: int, token: str | None, call: events.Call) -> None:
        self._renew_credentials(call)
        arguments: dict[str, Any] = dict(filters)
        if token is not None:
            # Do not pass it as StartingToken: botocore would decode it and, if it happens to be JSON, change it.
            arguments["nextToken"] = token
        pages = self._paginator.paginate(**arguments, PaginationConfig={"PageSize": page_size})
        try:
            next(iter(pages))
        except Exception as error:
            # The message of an exception may hold a URL and a token, so it is neither kept nor logged.
            call.usage.last_error = loggable_code(error, call.status, token)
            raise translate(error, call.status, token) from None

    def _renew_credentials(self, call: events.Call) -> None:
        # botocore would renew them while it signs a request. A failure there could not be distinguished from a bug.
        if self._credentials is None:
            return
        try:
            self._credentials.get_frozen_credentials()
        except Exception as error:
            call.usage.last_error = loggable_code(error, 0, None)
            raise translate_credentials(error) from None
