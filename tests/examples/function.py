"""The data that the emulator serves to the examples, and the type of the fixture that serves them."""

from collections.abc import Callable
from typing import TypeAlias

from emulators.models import plausible_models
from local.api_gateway import Handler

Serve: TypeAlias = Callable[[Handler], str]

MODELS = sorted(plausible_models(300), key=lambda model: (model.created, model.arn), reverse=True)
ARNS = [model.arn for model in MODELS]
