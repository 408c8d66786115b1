"""The type of the fixture that starts functions."""

from collections.abc import Callable
from typing import TypeAlias

from emulators.lambda_runtime import Function

Start: TypeAlias = Callable[..., Function]
