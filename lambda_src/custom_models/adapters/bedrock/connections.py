"""The connection of each call, so that one connection can be closed, and not all of a client.

A client keeps the connections of all accounts in its region. botocore has no public access to them; it is
pinned, and the tests fail if an upgrade changes what this uses.
"""

import socket
from contextlib import suppress
from typing import Any

from custom_models.adapters.bedrock import events
from custom_models.adapters.bedrock.events import Exchange


def record(client: Any) -> None:
    """Make a client record the connection that each exchange uses."""
    pools = client._endpoint.http_session._pool_classes_by_scheme  # noqa: SLF001
    pools.update({scheme: _recording(pool) for scheme, pool in pools.items()})


def _recording(pool: Any) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def request(self, *args: Any, **kwargs: Any) -> Any:
            self.exchange = events.current()
            self.exchange.connection = self
            return super().request(*args, **kwargs)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def close(exchange: Exchange) -> None:
    """Close the connection of an exchange that has ended, unless another exchange uses it by now."""
    connection = exchange.connection
    if connection is not None and connection.exchange is exchange:
        connection.close()


def abort(exchange: Exchange) -> None:
    """End an exchange in another thread: what it is waiting for on its connection fails."""
    exchange.ends = float("-inf")
    sock = getattr(exchange.connection, "sock", None)
    if sock is not None and exchange.connection.exchange is exchange:
        with suppress(OSError):
            # Not the method of SSLSocket, which would also change state that the other thread is using.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
