"""Test doubles of the core's interfaces: a page source in memory, keys that change, and a clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from custom_models.core.budget import Limits, Usage
from custom_models.core.cursor import CursorSigner
from custom_models.core.models import ModelSummary, Page
from custom_models.core.parameters import Filters

KEY = "k" * 32


def model(number: int) -> ModelSummary:
    return {
        "modelArn": f"arn:{number}",
        "modelName": f"model-{number}",
        "creationTime": "2026-01-01T00:00:00Z",
        "baseModelArn": "arn:base",
        "baseModelName": "base",
    }


@dataclass
class MemorySource:
    """Returns the pages of a script, or ``count`` models in pages whose lengths ``page_length`` decides.

    A step of the script is the number of models and the next token of a page, or an exception to
    raise. The last step is repeated.
    """

    count: int = 0
    page_length: Callable[[int], int] = lambda page_size: page_size
    script: Sequence[tuple[int, str | None] | Exception] = ()
    max_attempt_seconds: float = 1.0
    account: str | None = None
    requests: list[tuple[int, str | None]] = field(default_factory=list)
    """The page size and the token of each call."""

    def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
        usage.calls += 1
        usage.attempts += 1
        self.requests.append((page_size, token))
        if self.script:
            step = self.script[min(len(self.requests), len(self.script)) - 1]
            if isinstance(step, Exception):
                raise step
            return Page([model(number) for number in range(step[0])], step[1])
        start = int(token.partition(".")[0]) if token else 0
        end = min(self.count, start + self.page_length(page_size))
        # The number of the call makes the token unique, even after an empty page.
        token = f"{end}.{len(self.requests)}" if end < self.count else None
        return Page([model(number) for number in range(start, end)], token)


@dataclass
class ChangingKeys:
    """The keys that this process knows; a refresh replaces them by ``new``, if it is given."""

    known: list[str]
    new: list[str] | None = None
    reads: int = 0
    refreshes: int = 0

    def current(self) -> Sequence[str]:
        self.reads += 1
        return self.known

    def refresh(self, tried: Sequence[str]) -> Sequence[str] | None:
        self.refreshes += 1
        self.known = self.new or self.known
        return self.known if self.known != tried else None


class Clock:
    """A clock that moves only when a test sets ``now``."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def signer(lifetime: float = 3600, clock: Clock | None = None) -> CursorSigner:
    return CursorSigner(ChangingKeys([KEY]), lifetime, clock or Clock())
