"""The cursor: only ours is taken, for the listing that it came from, until it expires."""

import base64
import contextlib
import json
import random
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from custom_models.core.cursor import MAX_LENGTH, CursorSigner, Position, _serializer
from custom_models.core.errors import CursorMismatch, ExpiredCursor, InvalidCursor, UpstreamInvalid
from tests.doubles import KEY, ChangingKeys, Clock, signer

BOUND = "0123456789abcdef" * 2
PLACE = Position("a token/+=", 5, "0123456789abcdef")
GIVEN_OUT_BEFORE = (
    ".eJxdxzEOgDAIBdC7_JmBFlrwLMZBEeJsvH909m1vbdScPzKZCdy66Jjmy37EmfU_CM91Z4KEIBUaUWk63Dg7thfxZhQq.OZD_qj"
    "jJmo5ORNjnvTpUWNV_XvYz75PINl51vQJBdrs"
)
"""At the third token of a listing, signed with KEY."""

tokens = st.text(
    st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=300
)  # what the page source lets through


@given(tokens, st.integers(1, 10**9))
def test_what_is_written_is_read(token: str, steps: int) -> None:
    place = Position(token, steps, "0123456789abcdef")
    assert signer().verify(signer().sign(place, BOUND), BOUND) == place


@given(tokens)
def test_it_fits_a_url_unescaped(token: str) -> None:
    cursor = signer().sign(Position.start(token), BOUND)
    assert set(cursor) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_a_token_of_full_length_makes_a_cursor_that_fits_a_url() -> None:
    # Digits of a hash do not compress: this is as long as it gets with the tokens that AWS makes.
    token = base64.b64encode(bytes((number * 7919) % 251 for number in range(1536))).decode()
    assert len(token) == 2048
    cursor = signer().sign(Position(token, 10**6, "0123456789abcdef"), BOUND)
    assert len(cursor) < 3000
    assert signer().verify(cursor, BOUND).token == token


def test_a_token_that_fits_no_cursor_is_upstreams_fault() -> None:
    rng = random.Random(0)
    token = "".join(chr(rng.randrange(0x10000, 0x110000)) for _ in range(2048))
    with pytest.raises(UpstreamInvalid, match=r"^Bedrock returned a page token that is too long for a cursor\.$"):
        signer().sign(Position.start(token), BOUND)


def test_the_longest_that_is_written_is_read() -> None:
    token = "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=8200))

    def written(length: int) -> str:
        with contextlib.suppress(UpstreamInvalid):
            return signer().sign(Position.start(token[:length]), BOUND)
        return ""

    longest = max(map(written, range(7600, len(token))), key=len)
    assert len(longest) == MAX_LENGTH
    assert token.startswith(signer().verify(longest, BOUND).token)


def test_one_from_before_a_deployment_is_taken_after_it() -> None:
    """Clients hold on to cursors; whoever changes what is in them must still take these, or count the version up."""
    place = signer().verify(GIVEN_OUT_BEFORE, BOUND)
    assert (place.token, place.steps) == ("three", 3)
    with pytest.raises(UpstreamInvalid):
        place.advance("two")


def test_every_flipped_bit_makes_it_invalid() -> None:
    good = signer().sign(PLACE, BOUND).encode()
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            with pytest.raises(InvalidCursor):
                signer().verify(bad.decode("latin-1"), BOUND)


def test_every_other_spelling_of_its_characters_makes_it_invalid() -> None:
    good = signer().sign(PLACE, BOUND)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in alphabet.replace(good[-1], ""):
        with pytest.raises(InvalidCursor):
            signer().verify(good[:-1] + other, BOUND)


def test_every_cut_makes_it_invalid() -> None:
    good = signer().sign(PLACE, BOUND)
    for length in range(len(good)):
        with pytest.raises(InvalidCursor):
            signer().verify(good[:length], BOUND)
        with pytest.raises(InvalidCursor):
            signer().verify(good[length + 1 :], BOUND)


def botocore_style() -> Iterator[str]:
    for content in ({"nextToken": "x"}, {"nameContains": "x", "isOwned": True}, None, {"boto_truncate_amount": 5}):
        yield base64.b64encode(json.dumps(content).encode()).decode()
    yield "abc___5"
    yield "None___5"


@pytest.mark.parametrize(
    "bad",
    ["", ".", "a.b", "a" * 100_000, "." * 44, "ä" * 60, "a." + "A" * 43, " " * 50, "\x00" * 50, *botocore_style()],
)
def test_what_is_none_is_invalid_and_reads_no_key_unless_it_looks_like_one(bad: str) -> None:
    keys = ChangingKeys([KEY])
    with pytest.raises(InvalidCursor):
        CursorSigner(keys, 3600, Clock()).verify(bad, BOUND)
    assert keys.reads == (1 if bad == "a." + "A" * 43 else 0)


@given(st.text())
def test_no_text_is_taken(text: str) -> None:
    with pytest.raises(InvalidCursor):
        signer().verify(text, BOUND)


def test_halves_of_two_cursors_are_none() -> None:
    one, other = signer().sign(PLACE, BOUND), signer().sign(Position.start("other"), BOUND)
    with pytest.raises(InvalidCursor):
        signer().verify(one.rpartition(".")[0] + "." + other.rpartition(".")[2], BOUND)


@pytest.mark.parametrize("key", ["x" * 32, "", "none"])
def test_another_key_does_not_make_it(key: str) -> None:
    foreign = CursorSigner(ChangingKeys([key]), 3600, Clock()).sign(PLACE, BOUND)
    with pytest.raises(InvalidCursor):
        signer().verify(foreign, BOUND)


@pytest.mark.parametrize(
    "other", [URLSafeSerializer(KEY, salt="custom-models.cursor"), URLSafeSerializer(KEY, salt="another")]
)
def test_the_same_key_used_for_something_else_does_not_make_it(other: URLSafeSerializer) -> None:
    payload = [1, 2**40, BOUND, "token", 1, "mark"]
    with pytest.raises(InvalidCursor):
        signer().verify(str(other.dumps(payload)), BOUND)


@pytest.mark.parametrize("payload", [[2, {"a": 1}], {"v": 2}, [2], [1], 2, None, "x", [1] * 7])
def test_what_another_version_may_have_signed_is_invalid(payload: object) -> None:
    with pytest.raises(InvalidCursor):
        signer().verify(str(_serializer((KEY,)).dumps(payload)), BOUND)


@pytest.mark.parametrize("payload", ["A", "AAAA", ".AAAA", "-_-_"])
def test_what_is_signed_and_no_payload_is_invalid(payload: str) -> None:
    signed = _serializer((KEY,)).make_signer("custom-models.cursor").sign(payload).decode()
    keys = ChangingKeys([KEY])
    with pytest.raises(InvalidCursor):
        CursorSigner(keys, 3600, Clock()).verify(signed, BOUND)
    assert keys.renewals == 0


def test_another_version_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_models.core.cursor._VERSION", 2)
    newer = signer().sign(PLACE, BOUND)
    monkeypatch.undo()
    with pytest.raises(InvalidCursor):
        signer().verify(newer, BOUND)


def test_it_expires_after_its_lifetime() -> None:
    clock = Clock()
    cursor = signer(lifetime=60, clock=clock).sign(PLACE, BOUND)
    clock.now += 59.9
    assert signer(lifetime=60, clock=clock).verify(cursor, BOUND) == PLACE
    clock.now += 0.1
    with pytest.raises(ExpiredCursor):
        signer(lifetime=60, clock=clock).verify(cursor, BOUND)


def test_one_from_a_clock_that_is_ahead_is_taken() -> None:
    ahead, behind = Clock(), Clock()
    ahead.now += 1.5
    assert signer(clock=behind).verify(signer(clock=ahead).sign(PLACE, BOUND), BOUND) == PLACE


def test_it_is_bound_to_its_listing() -> None:
    cursor = signer().sign(PLACE, BOUND)
    with pytest.raises(CursorMismatch):
        signer().verify(cursor, "f" * 32)


def test_the_newest_key_signs_and_the_one_before_is_taken() -> None:
    rotated = CursorSigner(ChangingKeys([KEY, "n" * 32]), 3600, Clock())
    assert rotated.verify(signer().sign(PLACE, BOUND), BOUND) == PLACE
    with pytest.raises(InvalidCursor):
        signer().verify(rotated.sign(PLACE, BOUND), BOUND)


def test_an_unknown_signature_has_the_keys_read_again_once() -> None:
    cursor = CursorSigner(ChangingKeys(["n" * 32]), 3600, Clock()).sign(PLACE, BOUND)
    stale = ChangingKeys([KEY], real=[KEY, "n" * 32])
    assert CursorSigner(stale, 3600, Clock()).verify(cursor, BOUND) == PLACE
    ignorant = ChangingKeys([KEY])
    with pytest.raises(InvalidCursor):
        CursorSigner(ignorant, 3600, Clock()).verify(cursor, BOUND)
    assert ignorant.renewals == 1


def test_the_longest_cursor_is_looked_at_and_no_longer_one() -> None:
    keys = ChangingKeys([KEY])
    for length, reads in ((MAX_LENGTH, 1), (MAX_LENGTH + 1, 1)):
        with pytest.raises(InvalidCursor):
            CursorSigner(keys, 3600, Clock()).verify("a" * (length - 44) + "." + "A" * 43, BOUND)
        assert keys.reads == reads


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_circle_of_tokens_is_found_from_request_to_request(lead: int, length: int) -> None:
    """Each position is all that is kept of the one before, as when every request reads one page."""

    def walk(steps: int) -> None:
        place = Position.start("0")
        for number in range(1, steps):
            place = place.advance(str(number if number < lead else lead + (number - lead) % length))

    with pytest.raises(UpstreamInvalid):
        walk(4 * (lead + length) + 4)


@given(st.lists(st.integers(), min_size=1, unique=True))
def test_tokens_that_differ_are_no_circle(numbers: list[int]) -> None:
    place = Position.start(str(numbers[0]))
    for number in numbers[1:]:
        place = place.advance(str(number))
    assert place.steps == len(numbers)
