"""Time limits of calls to Bedrock. docs/adr/0005-time.md explains the figures."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CONNECT_TIMEOUT = 2
"""Seconds."""

READ_TIMEOUT = 5
"""Seconds without a byte from Bedrock."""

MAX_ATTEMPTS = 3

MAX_BACKOFF = 7
"""Seconds that botocore waits at most in front of a second or third attempt: 2, and up to 5 more if Bedrock asks."""

MAX_ATTEMPT_SECONDS = CONNECT_TIMEOUT + READ_TIMEOUT


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds, whatever it waits for.

    botocore's timeouts apply to one address, and to the time between two bytes. A response that
    arrives byte by byte passes them all. TimeoutError is what a socket raises, so all layers
    handle it. Only the main thread, in which Lambda calls the handler, can be interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
