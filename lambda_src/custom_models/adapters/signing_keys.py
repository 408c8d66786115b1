"""The keys that sign cursors: from Secrets Manager on AWS, one given key elsewhere."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from custom_models.core.cursor import MIN_KEY_LENGTH
from custom_models.core.errors import Internal, UpstreamUnavailable

CACHE_SECONDS = 300
RENEWAL_SECONDS = 30
MAX_READ_SECONDS = 5.0
"""Seconds that reading the secret lasts at most: two calls of one attempt each (1 s to connect, 1.5 s to read)."""

_CONFIG = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 1})

_log = logging.getLogger(__name__)


class StaticKey:
    """One key for good."""

    def __init__(self, key: str) -> None:
        """Take the key."""
        self._keys = (key,)

    def current(self) -> Sequence[str]:
        """Return it."""
        return self._keys

    def renewed(self, tried: Sequence[str]) -> None:
        """Return None: there is no other."""


class SecretKeys:
    """The current and the previous version of a secret, cached; safe to share between threads.

    The secret is a string, the key itself. It is read when a key is first needed, again after some
    minutes, and at once (though at most every 30 s) for a signature that no known key made: another
    container may have signed with a newer one. While it cannot be read, known keys stay in use.
    """

    def __init__(self, secret_id: str, session: boto3.Session, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the secret's name or ARN, what to reach it with, and the clock that its age is measured with."""
        self._secret_id = secret_id
        self._session = session
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Any = None
        self._keys: Sequence[str] = ()
        self._read_at = float("-inf")
        self._renewed_at = float("-inf")
        self._renewal_failure: UpstreamUnavailable | Internal | None = None

    def current(self) -> Sequence[str]:
        """Return the keys, oldest first.

        Raises:
            UpstreamUnavailable: they are not known yet, and Secrets Manager cannot be reached.
            Internal: the secret is denied, missing or no key.
        """
        with self._lock:
            if self._clock() - self._read_at >= CACHE_SECONDS:
                try:
                    self._keys = self._read()
                except (UpstreamUnavailable, Internal) as error:
                    if not self._keys:
                        raise
                    _log.warning("The secret cannot be read (%s); the keys known so far stay in use", error.kind)
                    # Not at every request from now on: the next try is a renewal interval away.
                    self._read_at = self._clock() - CACHE_SECONDS + RENEWAL_SECONDS
            return self._keys

    def renewed(self, tried: Sequence[str]) -> Sequence[str] | None:
        """Return other keys than those tried, read again if that was not done lately; None if there are none.

        Raises:
            UpstreamUnavailable: Secrets Manager cannot be reached, so that nobody can tell whether
                the unknown signature is a forgery.
            Internal: the secret is denied, missing or no key.
        """
        with self._lock:
            if self._keys != tried:
                # Another thread has renewed them meanwhile.
                return self._keys
            if self._clock() - self._renewed_at < RENEWAL_SECONDS:
                if self._renewal_failure is not None:
                    raise type(self._renewal_failure)(self._renewal_failure.detail)
                return None
            self._renewed_at = self._clock()
            try:
                self._keys = self._read()
            except (UpstreamUnavailable, Internal) as failure:
                self._renewal_failure = failure
                raise
            return self._keys if self._keys != tried else None

    def _read(self) -> Sequence[str]:
        if self._client is None:
            self._client = self._session.client("secretsmanager", config=_CONFIG)
        try:
            # In this order: a rotation in between gives the same key twice, and not none of the old ones.
            current = self._version("AWSCURRENT")
            if current is None:
                raise Internal from LookupError("the secret of the cursor key has no current version")
            if not _is_key(current):
                raise Internal from ValueError(f"the secret is not a string of at least {MIN_KEY_LENGTH} characters")
            previous = self._version("AWSPREVIOUS")
        finally:
            # The next read is minutes away; a container that was frozen meanwhile would not notice that
            # the other side has hung up, and there is no second attempt.
            self._client.close()
        self._read_at = self._clock()
        self._renewal_failure = None
        # A secret that was never rotated has no previous version, and one that was no key has signed nothing.
        return (previous, current) if _is_key(previous) else (current,)

    def _version(self, stage: str) -> object:
        """Return what a version holds, be it a key or not; None if there is no such version."""
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 or status == 429 or "Throttl" in code:
                raise UpstreamUnavailable(_UNREACHABLE) from None
            raise Internal from error
        except (HTTPClientError, NoConnection):
            raise UpstreamUnavailable(_UNREACHABLE) from None
        except BotoCoreError as error:
            raise Internal from error
        except (ResponseParserError, AttributeError, LookupError, TypeError, ValueError) as error:
            # botocore's parser trusts the shape of an answer. What it says is left out: it may quote the key.
            raise Internal from ValueError(f"Secrets Manager's answer cannot be parsed ({type(error).__name__})")
        if "SecretString" not in answer and "SecretBinary" not in answer:
            raise Internal from ValueError("Secrets Manager's answer holds no secret")
        return answer.get("SecretString", b"")


def _is_key(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) >= MIN_KEY_LENGTH


_UNREACHABLE = "The key of the cursors could not be read in time; wait and send the same request again."
