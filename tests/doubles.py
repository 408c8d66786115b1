"""Test doubles of the core's interfaces: a page source in memory, keys that change, and a clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from custom_models.core.budget import CallUsage, Limits
from custom_models.core.cursor import CursorSigner
from custom_models.core.models import ModelSummary, Page, PageRequest, Source
from custom_models.core.query import Query

KEY = "k" * 32

SOURCE = Source("123456789012", "us-east-1")


def from_json(parameters: Mapping[str, object], *inventory: Source) -> Query:
    """Return the query of a direct invocation; without an inventory, of one source."""
    return Query.from_json(parameters, inventory or (SOURCE,))


def from_text(parameters: Mapping[str, Sequence[str]], *inventory: Source) -> Query:
    """Return the query of an HTTP request; without an inventory, of one source."""
    return Query.from_text(parameters, inventory or (SOURCE,))


def model(number: int) -> ModelSummary:
    return {
        "modelArn": f"arn:{number}",
        "modelName": f"model-{number}",
        "creationTime": "2026-01-01T00:00:00Z",
        "baseModelArn": "arn:base",
        "baseModelName": "base",
    }


@dataclass
class MemoryCall:
    """A call that ``respond`` answers; one in the background is answered only if ``is_ahead``."""

    request: PageRequest
    respond: Callable[[PageRequest, CallUsage], Page]
    is_ahead: bool = False
    usage: CallUsage = field(default_factory=CallUsage)
    outcome: Page | Exception | None = None

    def __post_init__(self) -> None:
        if self.is_ahead:
            self.outcome = self._outcome()

    def cancel(self) -> bool:
        return self.outcome is None

    def result(self) -> Page:
        outcome = self.outcome or self._outcome()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _outcome(self) -> Page | Exception:
        try:
            return self.respond(self.request, self.usage)
        except Exception as error:
            return error


@dataclass
class MemoryCalls:
    """The calls of one request. ``ahead`` decides which calls in the background are made before their turn."""

    respond: Callable[[PageRequest, CallUsage], Page]
    max_attempt_seconds: float = 1.0
    ahead: Callable[[], bool] = lambda: True

    def call(self, request: PageRequest) -> MemoryCall:
        return MemoryCall(request, self.respond)

    def start(self, request: PageRequest) -> MemoryCall:
        return MemoryCall(request, self.respond, self.ahead())

    def prepare(self, sources: Sequence[Source]) -> None:
        pass

    def close(self) -> None:
        pass


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
    requests: list[tuple[int, str | None]] = field(default_factory=list)
    """The page size and the token of each call."""

    def open(self, _: Limits) -> MemoryCalls:
        return MemoryCalls(self.fetch, self.max_attempt_seconds)

    def fetch(self, request: PageRequest, usage: CallUsage) -> Page:
        usage.attempts += 1
        token = request.token
        self.requests.append((request.page_size, token))
        if self.script:
            step = self.script[min(len(self.requests), len(self.script)) - 1]
            if isinstance(step, Exception):
                raise step
            return Page([model(number) for number in range(step[0])], step[1])
        start = int(token.partition(".")[0]) if token else 0
        end = min(self.count, start + self.page_length(request.page_size))
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
