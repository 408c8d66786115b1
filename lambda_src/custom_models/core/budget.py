"""The limits of one request, and its usage."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What one request may use."""

    deadline: float
    """The time at which the listing must end, on the clock of ``time.monotonic()``."""

    max_later_pages: int = 50
    """The maximum number of calls with a token. It ends a request that finds only empty pages."""

    @classmethod
    def from_now(cls, seconds: float) -> "Limits":
        """Return limits whose deadline is this many seconds from now."""
        return cls(deadline=time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.monotonic()


@dataclass(eq=False, slots=True)
class CallUsage:
    """What one upstream call used. It belongs to the thread of the call until the call ends."""

    attempts: int = 0
    """HTTP requests that were sent. A call that is retried has more than one."""

    throttles: int = 0
    """Attempts that were throttled, even if a later attempt succeeded."""

    error: str | None = None
    """Why the call failed, for the log: an error code or a class name."""

    late: bool = False
    """Whether the call started too late for all its attempts, so that its failure says little about the source."""


@dataclass(eq=False, slots=True)
class Usage:
    """What one request used upstream, whether it succeeded or failed. The log and the metrics report it."""

    calls: int = 0
    """Upstream calls that were started. One call requests one page."""

    retries: int = 0
    """Attempts after the first one of each call."""

    throttles: int = 0
    """Attempts that were throttled, even if a later attempt succeeded."""

    seconds: float = 0.0
    """Time spent waiting for upstream calls, including the pauses between attempts."""

    last_error: str | None = None
    """The error of the last call that failed, for the log: an error code, a class name or a sentence of this API."""

    failed: dict[str, str] = field(default_factory=dict)
    """The error of each source that failed."""

    unreachable: int = 0
    """The number of sources that failed and were left out of the listing."""

    def add(self, call: CallUsage) -> None:
        """Add a call."""
        self.calls += 1
        self.retries += max(0, call.attempts - 1)
        self.throttles += call.throttles

    def add_failure(self, source: str, error: str) -> None:
        """Add the error of a source."""
        self.failed[source] = self.last_error = error
