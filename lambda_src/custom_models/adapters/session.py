"""The boto3 session that all clients are created from."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.handlers
import botocore.session

_SERVICES = ("bedrock", "secrets-manager")
"""The services that are called, as botocore's events spell them."""


def new_session() -> boto3.Session:
    """Return boto3's session; in Lambda, without the event handlers of services that are not called.

    botocore registers 127 handlers with each session. These services need nine of them; the others
    cost a twentieth of a cold start. All handlers are registered if botocore does not list them as
    expected, and outside Lambda, where credentials may come from another service (SSO, STS).
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return boto3.Session()
    try:
        handlers = list(_handlers())
    except (AttributeError, TypeError, ValueError):
        return boto3.Session()
    session = botocore.session.Session(include_builtin_handlers=False)
    for event, handler in handlers:
        session.register(event, handler)
    return boto3.Session(botocore_session=session)


def _handlers() -> Iterator[tuple[str, Callable[..., Any]]]:
    for event, handler, *position in botocore.handlers.BUILTIN_HANDLERS:
        # EVENT or EVENT.SERVICE…. Handlers under docs only generate botocore's documentation.
        name, _, rest = event.partition(".")
        if name != "docs" and rest.partition(".")[0] in ("", "*", *_SERVICES):
            if position:
                raise ValueError(f"{event} has a position among the handlers")
            yield event, handler
