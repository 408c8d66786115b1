"""The boto3 session that the clients are made with."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.handlers
import botocore.session

_SERVICES = ("bedrock", "secrets-manager")
"""Those that are called, as botocore's events spell them."""


def new_session() -> boto3.Session:
    """Return a session as boto3 makes it; in Lambda, without the event handlers of services that are not called.

    botocore registers 127 with each session, of which these services need nine: the rest are a
    twentieth of a cold start. Where botocore does not list them as expected, all are registered,
    and so they are elsewhere: the credentials of a person may come from a service of their own.
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
    for event, handler, *place in botocore.handlers.BUILTIN_HANDLERS:
        # EVENT, or EVENT.SERVICE and what is below; under docs is what botocore's documentation is written with.
        kind, _, rest = event.partition(".")
        if kind != "docs" and rest.partition(".")[0] in ("", "*", *_SERVICES):
            if place:
                raise ValueError(f"{event}: before or after others")
            yield event, handler
