"""The cursor: only one that this API signed is valid, for its own listing and until it expires."""

import base64
import contextlib
import hashlib
import json
import random
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from custom_models.core.cursor import MAX_LENGTH, CursorSigner, Position, SourcePosition
from custom_models.core.errors import CursorMismatch, ExpiredCursor, InvalidCursor, UpstreamInvalid
from tests.doubles import KEY, ChangingKeys, Clock, signer

OTHER_KEY = "n" * 32
FINGERPRINT = "0123456789abcdef" * 2
POSITION = Position("..d-T", 70, 3, SourcePosition("a token/+=", 5, "0123456789abcdef", 2, failed=True))
PAYLOAD = [2, 2**40, FINGERPRINT, *POSITION]
"""Version, expiry, fingerprint and position: what a cursor of version 2 holds."""

EARLIER_CURSOR = (
    ".eJxdxzEKgDAMBdC7ZP5ITFtbd29ROtSY4OCk3h8RnHzbqwIp_AHxKCGmKZe5r7qZ_0-gYSEEMCrd-2n2hoJrVHXLMZXMJgSB9-Oy1h5-WBkN."
    "pFSxS8IPAXTqqM00mK7S0lQHWh-SucQrUa9wgGGcF1k"
)
"""Signed with KEY by an earlier release, at the third token of the third source of a walk."""

FORGERY = "a." + "A" * 43
"""Text that has the form of a cursor, but no valid signature."""


def at(token: str) -> Position:
    """Return the position of the first token of a walk."""
    return Position().advance(1, token)


tokens = st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=300)
"""Tokens that pass the validation of Bedrock's responses."""


def serializer(key: str = KEY, salt: str = "custom-models.cursor", **signer_options: object) -> URLSafeSerializer:
    """Return the serializer that cursors are signed with, or one that differs from it in the given options."""
    options: dict[str, object] = {"digest_method": hashlib.sha256, "key_derivation": "hmac", **signer_options}
    return URLSafeSerializer(key, salt=salt, signer_kwargs=options)


class TestSigning:
    @given(tokens, st.integers(1, 10**9))
    def test_a_signed_position_is_returned_by_verify(self, token: str, steps: int) -> None:
        position = Position("", steps, 0, SourcePosition(token, steps, "0123456789abcdef", 0))
        assert signer().verify(signer().sign(position, FINGERPRINT), FINGERPRINT) == position

    @given(tokens)
    def test_a_cursor_needs_no_escaping_in_a_url(self, token: str) -> None:
        cursor = signer().sign(at(token), FINGERPRINT)
        assert set(cursor) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

    def test_the_cursor_of_bedrocks_longest_token_fits_a_url(self) -> None:
        # Tokens look like base64 of random bytes, which does not compress.
        token = base64.b64encode(bytes((number * 7919) % 251 for number in range(1536))).decode()
        assert len(token) == 2048
        cursor = signer().sign(at(token), FINGERPRINT)
        assert len(cursor) < 3000
        assert signer().verify(cursor, FINGERPRINT) == at(token)

    def test_a_token_that_is_too_long_for_a_cursor_is_upstream_invalid(self) -> None:
        rng = random.Random(0)
        token = "".join(chr(rng.randrange(0x10000, 0x110000)) for _ in range(2048))
        with pytest.raises(UpstreamInvalid, match=r"^Bedrock returned a page token that is too long for a cursor\.$"):
            signer().sign(at(token), FINGERPRINT)

    def test_the_longest_cursor_that_can_be_signed_is_valid(self) -> None:
        token = "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=8200))

        def sign(length: int) -> str:
            with contextlib.suppress(UpstreamInvalid):
                return signer().sign(at(token[:length]), FINGERPRINT)
            return ""

        longest = max(map(sign, range(7600, len(token))), key=len)
        assert len(longest) == MAX_LENGTH
        assert signer().verify(longest, FINGERPRINT) in map(at, (token[:length] for length in range(7600, len(token))))

    def test_a_cursor_of_an_earlier_release_is_valid(self) -> None:
        """Clients keep cursors across deployments: whoever changes the payload must accept these or raise the version.

        The position must also recognize the tokens of the earlier release.
        """
        position = signer().verify(EARLIER_CURSOR, FINGERPRINT)
        assert (position.outcomes, position.given, position.wasted) == (".D", 3, 0)
        assert position.current is not None
        assert (position.current.token, position.current.steps, position.current.empty_pages) == ("three", 3, 2)
        with pytest.raises(UpstreamInvalid):
            position.advance(1, "two")


class TestInvalidCursors:
    def test_a_cursor_with_any_flipped_bit_is_invalid(self) -> None:
        good = signer().sign(POSITION, FINGERPRINT).encode()
        for index in range(len(good)):
            for bit in range(8):
                bad = bytearray(good)
                bad[index] ^= 1 << bit
                with pytest.raises(InvalidCursor):
                    signer().verify(bad.decode("latin-1"), FINGERPRINT)

    def test_a_cursor_with_any_other_last_character_is_invalid(self) -> None:
        """Base64 decoders ignore the unused bits of the last character, so four characters have the same meaning."""
        good = signer().sign(POSITION, FINGERPRINT)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for other in alphabet.replace(good[-1], ""):
            with pytest.raises(InvalidCursor):
                signer().verify(good[:-1] + other, FINGERPRINT)

    def test_a_cursor_that_is_cut_at_any_place_is_invalid(self) -> None:
        good = signer().sign(POSITION, FINGERPRINT)
        for length in range(len(good)):
            with pytest.raises(InvalidCursor):
                signer().verify(good[:length], FINGERPRINT)
            with pytest.raises(InvalidCursor):
                signer().verify(good[length + 1 :], FINGERPRINT)

    def test_the_payload_of_one_cursor_with_the_signature_of_another_is_invalid(self) -> None:
        one, other = (signer().sign(position, FINGERPRINT) for position in (POSITION, at("other")))
        with pytest.raises(InvalidCursor):
            signer().verify(one.rpartition(".")[0] + "." + other.rpartition(".")[2], FINGERPRINT)

    @given(st.text())
    def test_any_text_is_invalid(self, text: str) -> None:
        with pytest.raises(InvalidCursor):
            signer().verify(text, FINGERPRINT)

    @staticmethod
    def tokens_of_botocore() -> Iterator[str]:
        for content in ({"nextToken": "x"}, {"nameContains": "x", "isOwned": True}, None, {"boto_truncate_amount": 5}):
            yield base64.b64encode(json.dumps(content).encode()).decode()
        yield "abc___5"
        yield "None___5"

    @pytest.mark.parametrize(
        "bad",
        [
            "",
            ".",
            "a.b",
            pytest.param("a" * 100_000, id="too long"),
            "." * 44,
            "ä" * 60,
            FORGERY,
            " " * 50,
            "\x00" * 50,
            *tokens_of_botocore(),
        ],
    )
    def test_malformed_text_is_invalid_and_only_text_in_the_form_of_a_cursor_reads_the_keys(self, bad: str) -> None:
        keys = ChangingKeys([KEY])
        with pytest.raises(InvalidCursor):
            CursorSigner(keys, 3600, Clock()).verify(bad, FINGERPRINT)
        assert keys.reads == (1 if bad == FORGERY else 0)

    @pytest.mark.parametrize(("length", "reads"), [(MAX_LENGTH, 1), (MAX_LENGTH + 1, 0)])
    def test_text_longer_than_the_longest_cursor_reads_no_keys(self, length: int, reads: int) -> None:
        keys = ChangingKeys([KEY])
        with pytest.raises(InvalidCursor):
            CursorSigner(keys, 3600, Clock()).verify("a" * (length - 44) + "." + "A" * 43, FINGERPRINT)
        assert keys.reads == reads

    @pytest.mark.parametrize("key", ["x" * 32, "", "none"])
    def test_a_cursor_signed_with_another_key_is_invalid(self, key: str) -> None:
        foreign = CursorSigner(ChangingKeys([key]), 3600, Clock()).sign(POSITION, FINGERPRINT)
        with pytest.raises(InvalidCursor):
            signer().verify(foreign, FINGERPRINT)

    def test_a_payload_of_version_2_is_valid(self) -> None:
        """The tests below change one thing each about this one."""
        assert signer().verify(str(serializer().dumps(PAYLOAD)), FINGERPRINT) == POSITION

    @pytest.mark.parametrize(
        "other",
        [
            serializer(salt="another"),
            serializer(key_derivation="django-concat"),
            serializer(digest_method=hashlib.sha3_256),
            URLSafeSerializer(KEY, salt="custom-models.cursor"),
            URLSafeSerializer(KEY, salt="another"),
        ],
        ids=["salt", "key derivation", "digest", "itsdangerous's defaults", "itsdangerous's defaults and salt"],
    )
    def test_what_the_same_key_signed_for_another_purpose_is_invalid(self, other: URLSafeSerializer) -> None:
        with pytest.raises(InvalidCursor):
            signer().verify(str(other.dumps(PAYLOAD)), FINGERPRINT)

    @pytest.mark.parametrize(
        "payload",
        [[3, *PAYLOAD[1:]], [1, *PAYLOAD[1:]], [1, 2**40, FINGERPRINT, "t", 1, "m"], [3], [1]],
        ids=json.dumps,
    )
    def test_a_payload_of_another_version_is_expired(self, payload: object) -> None:
        with pytest.raises(ExpiredCursor):
            signer().verify(str(serializer().dumps(payload)), FINGERPRINT)

    @pytest.mark.parametrize(
        "payload",
        [[2, {"a": 1}], {"v": 2}, [2], [], 2, None, "x", [None] * 7, PAYLOAD[:-1], [*PAYLOAD, 1]],
        ids=json.dumps,
    )
    def test_a_payload_of_another_form_is_invalid(self, payload: object) -> None:
        with pytest.raises(InvalidCursor):
            signer().verify(str(serializer().dumps(payload)), FINGERPRINT)

    @pytest.mark.parametrize("payload", ["A", "AAAA", ".AAAA", "-_-_"])
    def test_a_signed_payload_that_cannot_be_decoded_is_invalid_and_does_not_refresh_the_keys(
        self, payload: str
    ) -> None:
        signed = serializer().make_signer("custom-models.cursor").sign(payload).decode()
        keys = ChangingKeys([KEY])
        with pytest.raises(InvalidCursor):
            CursorSigner(keys, 3600, Clock()).verify(signed, FINGERPRINT)
        assert keys.refreshes == 0


class TestLifetimeAndListing:
    def test_a_cursor_expires_after_its_lifetime(self) -> None:
        clock = Clock()
        cursor = signer(lifetime=60, clock=clock).sign(POSITION, FINGERPRINT)
        clock.now += 59.9
        assert signer(lifetime=60, clock=clock).verify(cursor, FINGERPRINT) == POSITION
        clock.now += 0.1
        with pytest.raises(ExpiredCursor):
            signer(lifetime=60, clock=clock).verify(cursor, FINGERPRINT)

    def test_a_cursor_from_a_clock_that_is_ahead_is_valid(self) -> None:
        ahead, behind = Clock(), Clock()
        ahead.now += 1.5
        cursor = signer(clock=ahead).sign(POSITION, FINGERPRINT)
        assert signer(clock=behind).verify(cursor, FINGERPRINT) == POSITION

    def test_a_cursor_is_valid_only_for_its_own_listing(self) -> None:
        cursor = signer().sign(POSITION, FINGERPRINT)
        with pytest.raises(CursorMismatch):
            signer().verify(cursor, "f" * 32)


class TestKeys:
    def test_the_newest_key_signs_and_the_previous_one_still_verifies(self) -> None:
        rotated = CursorSigner(ChangingKeys([KEY, OTHER_KEY]), 3600, Clock())
        assert rotated.verify(signer().sign(POSITION, FINGERPRINT), FINGERPRINT) == POSITION
        with pytest.raises(InvalidCursor):
            signer().verify(rotated.sign(POSITION, FINGERPRINT), FINGERPRINT)

    def test_an_unknown_signature_refreshes_the_keys(self) -> None:
        cursor = CursorSigner(ChangingKeys([OTHER_KEY]), 3600, Clock()).sign(POSITION, FINGERPRINT)
        keys = ChangingKeys([KEY], new=[KEY, OTHER_KEY])
        assert CursorSigner(keys, 3600, Clock()).verify(cursor, FINGERPRINT) == POSITION

    def test_keys_that_do_not_change_are_refreshed_once(self) -> None:
        cursor = CursorSigner(ChangingKeys([OTHER_KEY]), 3600, Clock()).sign(POSITION, FINGERPRINT)
        keys = ChangingKeys([KEY])
        with pytest.raises(InvalidCursor):
            CursorSigner(keys, 3600, Clock()).verify(cursor, FINGERPRINT)
        assert keys.refreshes == 1


class TestPosition:
    @given(st.integers(0, 40), st.integers(1, 40))
    def test_a_cycle_of_tokens_is_detected(self, lead: int, length: int) -> None:
        """Only the position is kept from token to token, as when each request reads one page."""

        def walk(steps: int) -> None:
            position = at("0")
            for number in range(1, steps):
                position = position.advance(1, str(number if number < lead else lead + (number - lead) % length))

        with pytest.raises(UpstreamInvalid):
            walk(4 * (lead + length) + 4)

    @given(st.lists(st.integers(), min_size=1, unique=True))
    def test_different_tokens_are_not_a_cycle(self, numbers: list[int]) -> None:
        position = at(str(numbers[0]))
        for number in numbers[1:]:
            position = position.advance(1, str(number))
        assert position.current is not None
        assert position.current.steps == len(numbers)
