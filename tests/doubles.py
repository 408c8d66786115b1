"""Stand-ins for what the core is handed: a page source in memory, keys that change, a clock."""

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
    """Gives the pages of a script, or of ``count`` models in pages whose sizes ``shorten`` decides.

    A script's step is a page's models and next token, or an exception to raise.
    """

    count: int = 0
    shorten: Callable[[int], int] = lambda asked: asked
    script: Sequence[tuple[int, str | None] | Exception] = ()
    max_attempt_seconds: float = 1.0
    account: str | None = None
    asked: list[tuple[int, str | None]] = field(default_factory=list)

    def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
        usage.calls += 1
        usage.attempts += 1
        self.asked.append((page_size, token))
        if self.script:
            step = self.script[min(len(self.asked), len(self.script)) - 1]
            if isinstance(step, Exception):
                raise step
            return Page([model(number) for number in range(step[0])], step[1])
        start = int(token.partition(".")[0]) if token else 0
        end = min(self.count, start + self.shorten(page_size))
        # A token of its own for each page: an empty one gets on too.
        token = f"{end}.{len(self.asked)}" if end < self.count else None
        return Page([model(number) for number in range(start, end)], token)


@dataclass
class ChangingKeys:
    """Keys as this process knows them, and as they really are."""

    known: list[str]
    real: list[str] | None = None
    reads: int = 0
    renewals: int = 0

    def current(self) -> Sequence[str]:
        self.reads += 1
        return self.known

    def refresh(self, tried: Sequence[str]) -> Sequence[str] | None:
        self.renewals += 1
        self.known = self.real or self.known
        return self.known if self.known != tried else None


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def signer(lifetime: float = 3600, clock: Clock | None = None) -> CursorSigner:
    return CursorSigner(ChangingKeys([KEY]), lifetime, clock or Clock())
