"""What a request may use upstream, and what it has used."""

import time
from dataclasses import dataclass


@dataclass(eq=False)
class Budget:
    """The time and the upstream calls of one request: the limits, and the account.

    The account is kept on success and on failure alike; it is what the log tells of the upstream.
    """

    deadline: float
    """When the listing must have ended, on the clock of ``time.monotonic()``."""

    max_calls: int = 50
    """A bound for an upstream that never ends a listing and never fills it either."""

    calls: int = 0
    """Upstream calls begun; one asks for one page."""

    attempts: int = 0
    """HTTP requests sent for them: more than ``calls`` when some were retried."""

    throttles: int = 0
    """How many of the attempts were throttled, whether or not a later one succeeded."""

    seconds: float = 0.0
    """Time spent in upstream calls, waiting between attempts included."""

    failure: str | None = None
    """What the last call that failed failed with: an error code, a class name or a sentence of ours; for the log."""

    @classmethod
    def of(cls, seconds: float) -> "Budget":
        """Return a budget that ends in so many seconds from now."""
        return cls(deadline=time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()

    @property
    def retries(self) -> int:
        """Attempts beyond the first of each call."""
        return max(0, self.attempts - self.calls)

    def allows_call(self, max_attempt_seconds: float) -> bool:
        """Tell whether one more call may start: it counts, and even its slowest attempt ends in time."""
        return self.calls < self.max_calls and self.remaining >= max_attempt_seconds
