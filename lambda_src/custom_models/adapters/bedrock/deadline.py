"""Time limits of calls to Bedrock. docs/adr/0005-time.md explains the figures."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CONNECT_TIMEOUT = 2
"""Seconds."""

READ_TIMEOUT = 5
"""Seconds without a byte from Bedrock."""

MAX_ATTEMPTS = 3

MAX_ATTEMPT_SECONDS = CONNECT_TIMEOUT + READ_TIMEOUT

MAX_CALL_SECONDS = 12
"""The longest time of a call in seconds, retries included. If the first attempt hangs, there is time for another."""


@contextmanager
def interrupt_after(seconds: float, abort: Callable[[], bool]) -> Iterator[None]:
    """Call ``abort`` after this many seconds. If it returns False, or a second later, raise TimeoutError in the block.

    botocore's timeouts limit the time to connect to one address, and the time between two bytes. A
    response that arrives byte by byte never exceeds them. ``abort`` ends what the block is waiting for, without an
    exception at a place where a library does not expect one, such as inside a lock. Sockets raise TimeoutError
    too, so all layers handle it. Only the main thread, in which Lambda calls the handler, can be interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_aborted = False

    def expire(*_: object) -> None:
        nonlocal is_aborted
        if is_aborted or not abort():
            raise TimeoutError
        is_aborted = True

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
