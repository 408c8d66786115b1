"""The cursor: a signed, expiring position in one listing, which the client keeps.

It holds Bedrock's token in the current source, the outcomes of the sources before it, the listing that it
belongs to, and when it expires. It is signed but not encrypted: a caller could get the same token from
Bedrock, and it is useless without permission to call this API.
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
"""The maximum number of characters of a cursor. A longer one is rejected before anything is decoded.

Bedrock's longest token has 2,048 characters. With the outcomes of 500 sources, its cursor has about 3,300,
which fit into a URL.
"""

MIN_KEY_LENGTH = 32
"""The minimum number of characters of a key: as many as ``openssl rand -hex 16`` prints."""

TOKEN_REPEATED = "Bedrock returned the same page token twice, so its listing would never end."  # noqa: S105

MAX_EMPTY_PAGES = 1000
"""The maximum number of consecutive empty pages of a source. With more, its listing might never end."""

_VERSION = 2


class SourcePosition(NamedTuple):
    """A position in the listing of one source, after at least one page.

    ``mark`` and ``steps`` detect a token that comes back in a later request, with Brent's cycle
    detection: ``mark`` is the digest of one earlier token. It is replaced when ``steps`` is a power of two,
    so that a cycle of any length is found. https://maths-people.anu.edu.au/~brent/pub/pub051.html
    """

    token: str
    steps: int
    mark: str
    empty_pages: int
    """How many pages were empty since the last page with a model."""

    failed: bool = False
    """Whether the last call with this token failed."""


class Position(NamedTuple):
    """A position in a walk over the selected sources."""

    outcomes: str = ""
    """The outcome of each source that is finished; see coverage.py."""

    given: int = 0
    """The number of models so far. With ``wasted``, it decides how many sources are fetched ahead."""

    wasted: int = 0
    """The number of calls so far whose page was not used."""

    current: SourcePosition | None = None
    """The position in the current source; None before its first page."""

    def advance(self, models: int, token: str) -> "Position":
        """Return the position after a page of the current source with this many models, and this next token.

        Raises:
            UpstreamInvalid: the token was used before, or the source returns empty pages without end.
        """
        return self._replace(given=self.given + models, current=_advance(self.current, token, models))

    def finish(self, outcome: str, models: int = 0) -> "Position":
        """Return the position after the current source, whose last page has this many models."""
        return Position(self.outcomes + outcome, self.given + models, self.wasted)

    def fail(self) -> "Position":
        """Return the same position, after a call failed. It matters only after the first page of a source."""
        return self if self.current is None else self._replace(current=self.current._replace(failed=True))


def _advance(position: SourcePosition | None, token: str, models: int) -> SourcePosition:
    digest = _digest(token)
    if position is None:
        return SourcePosition(token, 1, digest, 0 if models else 1)
    if token == position.token or digest == position.mark:
        raise UpstreamInvalid(TOKEN_REPEATED)
    empty_pages = 0 if models else position.empty_pages + 1
    if empty_pages >= MAX_EMPTY_PAGES:
        raise UpstreamInvalid(f"Bedrock returned {MAX_EMPTY_PAGES:,} empty pages in a row.")
    steps = position.steps + 1
    return SourcePosition(token, steps, digest if steps.bit_count() == 1 else position.mark, empty_pages)


class SigningKeys(Protocol):
    """The keys that sign cursors, oldest first. The last one signs; all of them verify."""

    def current(self) -> Sequence[str]:
        """Return the keys."""
        ...

    def refresh(self, tried: Sequence[str]) -> Sequence[str] | None:
        """Return newer keys, because no key in ``tried`` matches a signature; None if there are no newer keys."""
        ...


class CursorSigner:
    """Signs and verifies cursors."""

    def __init__(self, keys: SigningKeys, lifetime: float, now: Callable[[], float] = time.time) -> None:
        """``lifetime`` is a cursor's lifetime in seconds; ``now`` returns the time in seconds since the epoch."""
        self._keys = keys
        self._lifetime = lifetime
        self._now = now

    def sign(self, position: Position, fingerprint: str) -> str:
        """Return the cursor of a position in the listing with this fingerprint. It needs no escaping in a URL.

        Raises:
            UpstreamInvalid: the token is too long for a cursor.
        """
        payload = [_VERSION, int(self._now() + self._lifetime), fingerprint, *position]
        cursor = str(_serializer(tuple(self._keys.current())).dumps(payload))
        if len(cursor) > MAX_LENGTH:
            raise UpstreamInvalid("Bedrock returned a page token that is too long for a cursor.")
        return cursor

    def verify(self, cursor: str, fingerprint: str) -> Position:
        """Return the position of a cursor that belongs to the listing with this fingerprint.

        Raises:
            InvalidCursor: it is malformed, or no known key signed it.
            ExpiredCursor: it has expired, or another version of this API signed it.
            CursorMismatch: it belongs to another listing.
        """
        _require_form(cursor)
        payload = self._load(cursor)
        if not isinstance(payload, list) or not payload or not isinstance(payload[0], int):
            raise InvalidCursor
        if payload[0] != _VERSION:
            raise ExpiredCursor
        if len(payload) != 3 + len(Position._fields):
            raise InvalidCursor
        _, expires, bound_to, *position, current = payload
        if expires <= self._now():
            raise ExpiredCursor
        if bound_to != fingerprint:
            raise CursorMismatch
        outcomes, given, wasted = position
        return Position(outcomes, given, wasted, None if current is None else SourcePosition(*current))

    def _load(self, cursor: str) -> object:
        from itsdangerous import BadData, BadSignature

        keys: Sequence[str] | None = self._keys.current()
        while keys is not None:
            try:
                return _serializer(tuple(keys)).loads(cursor)
            except BadSignature:
                keys = self._keys.refresh(keys)
            except BadData:
                break
        raise InvalidCursor


@functools.lru_cache(maxsize=4)
def _serializer(keys: tuple[str, ...]) -> "URLSafeSerializer":
    # Imported here because most listings fit one page and need no cursor.
    from itsdangerous import URLSafeSerializer

    return URLSafeSerializer(
        list(keys),
        salt="custom-models.cursor",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def _require_form(cursor: str) -> None:
    """Raise InvalidCursor for text that cannot be a cursor, before a key is read or anything is decoded."""
    if len(cursor) > MAX_LENGTH or not re.fullmatch(r"[.A-Za-z0-9_-]+[.][A-Za-z0-9_-]{43}", cursor):
        raise InvalidCursor
    # The last of the 43 base64 characters has two unused bits, so there are four ways to write the same
    # signature. Only the canonical one is valid.
    signature = cursor[-43:]
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{signature}=")).decode() != f"{signature}=":
        raise InvalidCursor


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:16]
