"""Records the connection of each call, so that it can be closed without closing all connections of the client.

A client keeps the connections of all accounts in its region. botocore has no public access to them; it is
pinned, and the tests fail if an upgrade changes what this uses.
"""

import socket
import threading
from contextlib import suppress
from ssl import SSLContext
from typing import Any
from weakref import WeakSet

from custom_models.adapters.bedrock import events
from custom_models.adapters.bedrock.events import Exchange

_lock = threading.RLock()
"""Held while a connection passes to another exchange, so that no thread ends a connection that is no longer its own.

Reentrant, because the alarm at the end of a call may abort its exchange while its thread holds the lock.
"""


def record(client: Any) -> None:
    """Make a client record the connection that each exchange uses."""
    pools = client._endpoint.http_session._pool_classes_by_scheme  # noqa: SLF001
    pools.update({scheme: _recording(pool) for scheme, pool in pools.items()})


def _recording(pool: Any) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def connect(self) -> None:
            _load_roots(self)
            super().connect()

        def request(self, *args: Any, **kwargs: Any) -> Any:
            with _lock:
                self.exchange = events.current()
            self.exchange.connection = self
            if self.exchange.remaining <= 0:
                raise TimeoutError  # an attempt of a call that was abandoned during the pause before it
            return super().request(*args, **kwargs)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


_with_roots: WeakSet[SSLContext] = WeakSet()
_loading = threading.Lock()


def _load_roots(connection: Any) -> None:
    """Load the root certificates into a client's TLS context once.

    urllib3 would load them for each connection, into the same context: most of the time of a new connection.
    """
    context = getattr(connection, "ssl_context", None)
    # The connection to a proxy has a TLS context of its own, and needs the path of the certificates.
    if context is None or connection.ca_certs is None or connection.proxy is not None:
        return
    # No other connection may use the context while only a part of the certificates is loaded.
    with _loading:
        if context not in _with_roots:
            try:
                context.load_verify_locations(connection.ca_certs)
            except OSError:
                return  # urllib3 will report it
            _with_roots.add(context)
    connection.ca_certs = None


def close(exchange: Exchange) -> None:
    """Close the connection of an exchange that has ended, unless another exchange uses it by now."""
    connection = exchange.connection
    with _lock:
        if connection is not None and connection.exchange is exchange:
            connection.close()


def abort(exchange: Exchange) -> bool:
    """End an exchange: what it is waiting for on its connection fails. Return whether it has a connection."""
    exchange.ends = float("-inf")
    connection = exchange.connection
    sock = getattr(connection, "sock", None)
    with _lock, suppress(OSError):
        if sock is not None and connection.exchange is exchange:
            # Not the method of SSLSocket, which would also change state that another thread is using.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
            return True
    return False
