"""The botocore sessions that all clients are created from."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import botocore.handlers
import botocore.loaders
import botocore.session

_SERVICES = ("bedrock", "secrets-manager", "sts")
"""The services that the function calls, spelled as in the names of botocore's events."""


def new_session() -> botocore.session.Session:
    """Return a new session. In Lambda, it has no event handlers of services that the function does not call.

    botocore registers 127 handlers with each session. The function's services need eleven of them;
    registering the others takes 5% of a cold start. All handlers are registered outside Lambda, where
    credentials may come from another service (SSO), and if botocore's list of handlers does not
    have the expected form.

    All sessions share one loader, so that botocore reads its data files only once.
    """
    session = _session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@functools.cache
def _loader(data_path: str | None) -> botocore.loaders.Loader:
    return botocore.loaders.create_loader(data_path)


def _session() -> botocore.session.Session:
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return botocore.session.Session()
    try:
        handlers = list(_handlers())
    except (AttributeError, TypeError, ValueError):
        return botocore.session.Session()
    session = botocore.session.Session(include_builtin_handlers=False)
    for event, handler in handlers:
        session.register(event, handler)
    return session


def _handlers() -> Iterator[tuple[str, Callable[..., Any]]]:
    for event, handler, *position in botocore.handlers.BUILTIN_HANDLERS:
        # EVENT or EVENT.SERVICE…. Handlers under docs only generate botocore's documentation.
        name, _, rest = event.partition(".")
        if name != "docs" and rest.partition(".")[0] in ("", "*", *_SERVICES):
            if position:
                raise ValueError(f"{event} has a position among the handlers")
            yield event, handler
