"""The limits of one request, and its usage."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may use."""

    deadline: float
    """The time at which the listing must end, on the clock of ``time.monotonic()``."""

    max_calls: int = 50
    """The maximum number of upstream calls. It ends a request that finds only empty pages."""

    @classmethod
    def from_now(cls, seconds: float) -> "Limits":
        """Return limits whose deadline is this many seconds from now."""
        return cls(deadline=time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.monotonic()

    def allow_call(self, calls: int, max_attempt_seconds: float) -> bool:
        """Return whether another call may start after ``calls`` calls: its slowest attempt must end in time."""
        return calls < self.max_calls and self.remaining >= max_attempt_seconds


@dataclass(eq=False)
class Usage:
    """What one request used upstream, whether it succeeded or failed. The log and the metrics report it."""

    calls: int = 0
    """Upstream calls that were started. One call requests one page."""

    attempts: int = 0
    """HTTP requests that were sent. A call that is retried has more than one."""

    throttles: int = 0
    """Attempts that were throttled, even if a later attempt succeeded."""

    seconds: float = 0.0
    """Time spent in upstream calls, including the pauses between attempts."""

    last_error: str | None = None
    """The error of the last call that failed, for the log: an error code, a class name or a sentence of this API."""

    @property
    def retries(self) -> int:
        """Attempts after the first one of each call."""
        return max(0, self.attempts - self.calls)
