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

MAX_ATTEMPT_SECONDS = CONNECT_TIMEOUT + READ_TIMEOUT

MAX_CALL_SECONDS = 12
"""The longest time of a call in seconds, with its retries: time for a second attempt after a first one that hangs."""


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after this many seconds, whatever the block is waiting for.

    botocore's timeouts limit the time to connect to one address, and the time between two bytes. A
    response that arrives byte by byte never exceeds them. Sockets raise TimeoutError too, so all
    layers handle it. Only the main thread, in which Lambda calls the handler, can be interrupted.
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
