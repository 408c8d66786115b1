"""Faults: ways in which an emulated service misbehaves."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from emulators.server import Response, json_response

Parameters: TypeAlias = Mapping[str, str]

Fault: TypeAlias = Callable[[Response, Parameters], Response]
"""Takes the correct response and the parameters of the request; returns the response to send instead."""


class Faults:
    """The faults that a service injects, in the order of its requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.misbehave()

    def misbehave(self, *once: Fault | None, always: Fault | None = None) -> None:
        """Inject one fault into each of the next requests, and ``always`` into all after them; None injects nothing."""
        with self._lock:
            self._once = list(once)
            self._always = always

    def inject(self, correct: Response, parameters: Parameters) -> Response:
        """Return the response to send to the next request."""
        with self._lock:
            fault = self._once.pop(0) if self._once else self._always
        return correct if fault is None else fault(correct, parameters)


def respond_with(response: Response) -> Fault:
    """Return a fault that sends this response."""
    return lambda _, __: response


def body(content: object) -> Fault:
    """Return a fault that sends status 200 and this body: bytes as they are, anything else as JSON."""
    return respond_with(json_response(content))


def hang(seconds: float) -> Fault:
    """Return a fault that closes the connection after this many seconds, without a response."""
    return respond_with(Response(delay=seconds, disconnect=True))


def drip(pace: float) -> Fault:
    """Return a fault that sends the correct body byte by byte, ``pace`` seconds apart."""
    return lambda correct, _: replace(correct, chunk_size=1, pace=pace)


def stall(seconds: float) -> Fault:
    """Return a fault that pauses for this many seconds in the middle of the correct body."""
    return lambda correct, _: replace(correct, chunk_size=len(correct.body) // 2 + 1, pace=seconds)


def cut(correct: Response, _: Parameters) -> Response:
    """Close the connection in the middle of the correct body."""
    headers = {**correct.headers, "Content-Length": str(len(correct.body)), "Connection": "close"}
    return replace(correct, body=correct.body[: len(correct.body) // 2], headers=headers)


_HTML = {"Content-Type": "text/html"}

disconnect = respond_with(Response(disconnect=True))
"""Closes the connection without a response."""

unavailable = respond_with(Response(503, b"<html><body><b>Http/1.1 Service Unavailable</b></body> </html>", _HTML))
"""Fails as a load balancer in front of the service does."""

not_json = respond_with(Response(200, b"<html>Please log in</html>", _HTML))
"""Succeeds with the HTML page of a proxy."""
