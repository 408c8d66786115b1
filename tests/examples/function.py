"""What the examples call: the emulator's models, scripted responses, and the types of the fixtures that serve them."""

import json
import subprocess
from collections.abc import Callable
from typing import Any, TypeAlias

from emulators.models import newest_first, plausible_models
from local.api_gateway import Context, Handler

Serve: TypeAlias = Callable[[Handler], str]
Reply: TypeAlias = Callable[..., list[Any]]
Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

MODELS = newest_first(plausible_models(300))
ARNS = [model.arn for model in MODELS]


def responding(responses: list[tuple[int, Any]], events: list[Any] | None = None) -> Handler:
    """Return a handler that returns the responses in turn, and appends the events to ``events``."""
    remaining = iter(responses)

    def handler(event: Any, _: Context) -> dict[str, Any]:
        if events is not None:
            events.append(event)
        status, body = next(remaining)
        return {"statusCode": status, "body": json.dumps(body)}

    return handler
