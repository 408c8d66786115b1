"""The boto3 session that all clients are created from."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.handlers
import botocore.session

_SERVICES = ("bedrock", "secrets-manager", "sts")
"""The services that the function calls, spelled as in the names of botocore's events."""


def new_session() -> boto3.Session:
    """Return a new session. In Lambda, it has no event handlers of services that the function does not call.

    botocore registers 127 handlers with each session. The function's services need eleven of them;
    registering the others takes 5% of a cold start. All handlers are registered outside Lambda, where
    credentials may come from another service (SSO, STS), and if botocore's list of handlers does not
    have the expected form.
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
