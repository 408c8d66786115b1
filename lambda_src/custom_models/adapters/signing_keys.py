"""The keys that sign cursors: a secret in Secrets Manager on AWS, one fixed key elsewhere."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from custom_models.core.cursor import MIN_KEY_LENGTH
from custom_models.core.errors import Internal, UpstreamUnavailable

CACHE_SECONDS = 300
REFRESH_SECONDS = 30
MAX_READ_SECONDS = 5.0
"""The longest time to read the secret: two calls with one attempt each (1 s to connect, 1.5 s to read)."""

_CONFIG = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 1})

_log = logging.getLogger(__name__)


class StaticKey:
    """One key that never changes."""

    def __init__(self, key: str) -> None:
        """Always use this key."""
        self._keys = (key,)

    def current(self) -> Sequence[str]:
        """Return the key."""
        return self._keys

    def refresh(self, tried: Sequence[str]) -> None:
        """Return None: there is no other key."""


class SecretKeys:
    """The current and the previous version of a secret, cached. Safe to share between threads.

    The secret string is the key. It is read when a key is first needed, and again after five
    minutes. If no known key matches a signature, it is read at once (but at most every 30 seconds),
    because another container may have signed with a newer key. While the secret cannot be read, the
    known keys stay in use.
    """

    def __init__(
        self,
        secret_id: str,
        new_session: Callable[[], botocore.session.Session],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``secret_id`` is the secret's name or ARN.

        ``new_session`` is called when the secret is first read; ``clock`` returns seconds, to measure the age of
        the cache.
        """
        self._secret_id = secret_id
        self._new_session = new_session
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Any = None
        self._keys: Sequence[str] = ()
        self._read_at = float("-inf")
        self._refreshed_at = float("-inf")
        self._refresh_error: UpstreamUnavailable | Internal | None = None

    def current(self) -> Sequence[str]:
        """Return the keys, oldest first.

        Raises:
            UpstreamUnavailable: no key is known yet, and Secrets Manager cannot be reached.
            Internal: the secret is denied, missing or not a key.
        """
        with self._lock:
            if self._clock() - self._read_at >= CACHE_SECONDS:
                try:
                    self._keys = self._read()
                except (UpstreamUnavailable, Internal) as error:
                    if not self._keys:
                        raise
                    _log.warning("The secret cannot be read (%s); the known keys stay in use", error.kind)
                    # Try again after the refresh interval, not at every request.
                    self._read_at = self._clock() - CACHE_SECONDS + REFRESH_SECONDS
            return self._keys

    def refresh(self, tried: Sequence[str]) -> Sequence[str] | None:
        """Return keys that differ from ``tried``; None if there are none. Reads the secret at most every 30 seconds.

        Raises:
            UpstreamUnavailable: Secrets Manager cannot be reached, so the unknown signature may be
                valid or forged.
            Internal: the secret is denied, missing or not a key.
        """
        with self._lock:
            if self._keys != tried:
                # Another thread has refreshed them.
                return self._keys
            if self._clock() - self._refreshed_at < REFRESH_SECONDS:
                if self._refresh_error is not None:
                    raise type(self._refresh_error)(self._refresh_error.detail)
                return None
            self._refreshed_at = self._clock()
            try:
                self._keys = self._read()
            except (UpstreamUnavailable, Internal) as error:
                self._refresh_error = error
                raise
            return self._keys if self._keys != tried else None

    def _read(self) -> Sequence[str]:
        if self._client is None:
            session = boto3.Session(botocore_session=self._new_session())
            self._client = session.client("secretsmanager", config=_CONFIG)
        try:
            # Read the current version first: a rotation between the two calls then returns the same key twice. In the
            # other order, the old key would be missed.
            current = self._version("AWSCURRENT")
            if current is None:
                raise Internal from LookupError("the secret with the cursor key has no current version")
            if not _is_key(current):
                raise Internal from ValueError(f"the secret is not a string of at least {MIN_KEY_LENGTH} characters")
            previous = self._version("AWSPREVIOUS")
        finally:
            # The next read is minutes away. A container that was frozen in between would use a connection
            # that the server has closed, and there is no second attempt.
            self._client.close()
        self._read_at = self._clock()
        self._refresh_error = None
        # A secret that was never rotated has no previous version. A version that is not a key has signed nothing.
        return (previous, current) if _is_key(previous) else (current,)

    def _version(self, stage: str) -> object:
        """Return the value of a version, whether or not it is a key; None if the version does not exist."""
        try:
            response = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 or status == 429 or "Throttl" in code:
                raise UpstreamUnavailable(_UNREACHABLE) from None
            raise Internal from error
        except (HTTPClientError, BotocoreConnectionError):
            raise UpstreamUnavailable(_UNREACHABLE) from None
        except BotoCoreError as error:
            raise Internal from error
        except (ResponseParserError, AttributeError, LookupError, TypeError, ValueError) as error:
            # botocore's parser trusts the shape of a response. Its message is left out because it may quote the key.
            raise Internal from ValueError(f"Secrets Manager's response cannot be parsed ({type(error).__name__})")
        if "SecretString" not in response and "SecretBinary" not in response:
            raise Internal from ValueError("Secrets Manager's response has no secret")
        return response.get("SecretString", b"")


def _is_key(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) >= MIN_KEY_LENGTH


_UNREACHABLE = "The key that signs cursors could not be read in time; wait and send the same request again."
