"""The cursor: a place in one listing that a client carries for us, signed and with an end.

It holds Bedrock's token, what the listing is bound to, and when it expires. It is signed, not
encrypted: the token in it is what Bedrock would have given the caller anyway, and it opens nothing
without the right to call this API.
"""

import base64
import functools
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from custom_models.core.errors import CursorMismatch, ExpiredCursor, InvalidCursor, UpstreamInvalid

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer

MAX_LENGTH = 8192
"""Characters of the longest cursor there is; nothing longer is looked at.

A token of Bedrock's full 2,048 characters makes a cursor of about 2,900, which fits a URL.
"""

MIN_KEY_LENGTH = 32
"""Characters of a key; what `openssl rand -hex 16` gives."""

TOKEN_CAME_BACK = "Bedrock gave the same page token twice, so its listing would never end."  # noqa: S105

_VERSION = 1


class Position(NamedTuple):
    """Where in Bedrock's listing a client stands.

    ``mark`` and ``steps`` find a token that comes back in a later request, with Brent's algorithm:
    one token is remembered (as a digest), a new one at each power of two, and a listing that runs
    in a circle, however long, meets it. https://maths-people.anu.edu.au/~brent/pub/pub051.html
    """

    token: str
    steps: int
    mark: str

    @classmethod
    def start(cls, token: str) -> "Position":
        """Return the position at the first token of a listing."""
        return cls(token, 1, _digest(token))

    def advance(self, token: str) -> "Position":
        """Return the position at the next token.

        Raises:
            UpstreamInvalid: this token was there before.
        """
        digest = _digest(token)
        if token == self.token or digest == self.mark:
            raise UpstreamInvalid(TOKEN_CAME_BACK)
        steps = self.steps + 1
        return Position(token, steps, digest if steps.bit_count() == 1 else self.mark)


class Keys(Protocol):
    """The keys that sign cursors: oldest first, the last one signs."""

    def current(self) -> Sequence[str]:
        """Return the keys in force."""
        ...

    def renewed(self, tried: Sequence[str]) -> Sequence[str] | None:
        """Return other keys, for a signature that none of those tried made; None if there are none for now."""
        ...


class CursorSigner:
    """Makes cursors and reads them."""

    def __init__(self, keys: Keys, lifetime: float, now: Callable[[], float] = time.time) -> None:
        """Take the keys, a cursor's lifetime in seconds, and the clock (seconds since the epoch)."""
        self._keys = keys
        self._lifetime = lifetime
        self._now = now

    def write(self, position: Position, fingerprint: str) -> str:
        """Return the cursor of a position in the listing with this fingerprint; it fits a URL unescaped.

        Raises:
            UpstreamInvalid: the token is too long for a cursor.
        """
        payload = [_VERSION, int(self._now() + self._lifetime), fingerprint]
        payload += [position.token, position.steps, position.mark]
        cursor = str(_serializer(tuple(self._keys.current())).dumps(payload))
        if len(cursor) > MAX_LENGTH:
            raise UpstreamInvalid("Bedrock gave a page token that is too long to go on with.")
        return cursor

    def read(self, cursor: str, fingerprint: str) -> Position:
        """Return the position that a cursor stands for, if it is of the listing with this fingerprint.

        Raises:
            InvalidCursor: it is none of ours.
            ExpiredCursor: its time is over.
            CursorMismatch: it is of another listing.
        """
        _require_form(cursor)
        payload = self._verify(cursor)
        if not isinstance(payload, list) or len(payload) != 6 or payload[0] != _VERSION:
            raise InvalidCursor
        _, expires, bound_to, *position = payload
        if expires <= self._now():
            raise ExpiredCursor
        if bound_to != fingerprint:
            raise CursorMismatch
        return Position(*position)

    def _verify(self, cursor: str) -> object:
        from itsdangerous import BadData, BadSignature

        keys: Sequence[str] | None = self._keys.current()
        while keys is not None:
            try:
                return _serializer(tuple(keys)).loads(cursor)
            except BadSignature:
                keys = self._keys.renewed(keys)
            except BadData:
                break
        raise InvalidCursor


@functools.lru_cache(maxsize=4)
def _serializer(keys: tuple[str, ...]) -> "URLSafeSerializer":
    # Imported here, and where a cursor is read: most listings fit one page and need none.
    from itsdangerous import URLSafeSerializer

    return URLSafeSerializer(
        list(keys),
        salt="custom-models.cursor",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def _require_form(cursor: str) -> None:
    """Raise InvalidCursor, before a key is fetched or anything decoded, for what cannot be ours."""
    if len(cursor) > MAX_LENGTH or not re.fullmatch(r"[.A-Za-z0-9_-]+[.][A-Za-z0-9_-]{43}", cursor):
        raise InvalidCursor
    # The last of 43 base64 characters has two bits to spare: the same signature could be written in
    # four ways, and only the one that we write is ours.
    signature = cursor[-43:]
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{signature}=")).decode() != f"{signature}=":
        raise InvalidCursor


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:16]
