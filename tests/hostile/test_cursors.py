"""Cursors that are forged, damaged, expired or of another listing are rejected, without a call to Bedrock."""

import base64
import hashlib
import hmac
import json
import re
import unicodedata
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from itsdangerous import Serializer, Signer, URLSafeSerializer, URLSafeTimedSerializer

from custom_models.adapters.rest_api.problem import STATUS
from custom_models.adapters.signing_keys import StaticKey
from custom_models.core import errors
from custom_models.core.cursor import CursorSigner, Position
from emulators.bedrock import Emulator, fields
from local.api_gateway import proxy_event
from tests.api import KEY, Api
from tests.doubles import from_text
from tests.hostile.contract import Attack

SALT = "custom-models.cursor"
SIGNER_OPTIONS: dict[str, Any] = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
OTHER_KEY = KEY[::-1]
"""The key of another stage, of the same length."""

MAX_LENGTH = 8192
NO_FILTERS = from_text({}).fingerprint


@pytest.fixture
def genuine(api: Api, emulator: Emulator) -> str:
    """A valid cursor."""
    cursor = str(api.invoke({"maxItems": 3})["nextCursor"])
    api.invoke({"cursor": cursor, "maxItems": 1})
    assert len(emulator.calls) == 2
    emulator.calls.clear()
    return cursor


@pytest.fixture
def require_rejected(attack: Attack, emulator: Emulator) -> Callable[..., None]:
    """Return a check that a cursor is rejected, over HTTP and directly, without a call to Bedrock."""
    classes = {error.kind: error for error in STATUS}

    def require_rejected(cursor: str, kind: str = "invalid-cursor", **filters: str) -> None:
        query = urlencode({"cursor": cursor, "maxItems": "5", **filters})
        response = attack(proxy_event("GET", f"/v1/custom-models?{query}", []))
        assert json.loads(response["body"])["type"] == f"urn:problem-type:custom-models:{kind}"
        assert attack.line["outcome"] == kind
        assert type(attack({"cursor": cursor, "maxItems": 5, **filters})) is classes[kind]
        assert len(cursor) < 20 or cursor not in attack.text
        assert emulator.calls == []

    return require_rejected


RequireRejected = Callable[..., None]


def payload_of(cursor: str) -> Any:
    """Return the payload of a cursor, without checking its signature."""
    return URLSafeSerializer("").loads_unsafe(cursor)[1]


def packed(content: bytes) -> str:
    """Return content compressed and encoded as in a cursor."""
    return "." + base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")


class TestDamaged:
    def test_a_cursor_with_any_bit_flipped_is_rejected(self, api: Api, emulator: Emulator, genuine: str) -> None:
        for place in range(len(genuine)):
            for bit in range(8):
                damaged = bytearray(genuine, "ascii")
                damaged[place] ^= 1 << bit
                with pytest.raises(errors.InvalidCursor):
                    api.invoke({"cursor": damaged.decode("latin-1")})
        assert emulator.calls == []

    def test_a_cursor_cut_off_or_with_a_character_lost_doubled_or_swapped_is_rejected(
        self, api: Api, emulator: Emulator, genuine: str
    ) -> None:
        for place in range(1, len(genuine)):
            head, tail = genuine[:place], genuine[place:]
            for damaged in (
                head,
                tail,
                head[:-1] + tail,
                head + head[-1] + tail,
                head[:-1] + tail[0] + head[-1] + tail[1:],
            ):
                if damaged != genuine:
                    with pytest.raises(errors.InvalidCursor):
                        api.invoke({"cursor": damaged})
        assert emulator.calls == []

    def test_two_cursors_spliced_together_are_rejected(self, api: Api, emulator: Emulator, genuine: str) -> None:
        other = str(api.invoke({"maxItems": 4})["nextCursor"])
        emulator.calls.clear()
        for place in range(1, len(genuine)):
            for spliced in (genuine[:place] + other[place:], other[:place] + genuine[place:]):
                if spliced not in (genuine, other):
                    with pytest.raises(errors.InvalidCursor):
                        api.invoke({"cursor": spliced})
        assert emulator.calls == []

    @given(st.data())
    def test_an_edited_cursor_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, data: st.DataObject
    ) -> None:
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(genuine))] * 2)))
        alphabet = st.characters() | st.sampled_from("._-AQgw09=+/% ")
        edited = genuine[:start] + data.draw(st.text(alphabet, max_size=8)) + genuine[end:]
        assume(edited not in ("", genuine))
        # A URL cannot contain surrogates.
        assume(not re.search("[\ud800-\udfff]", edited))
        require_rejected(edited)


class TestForged:
    def forge(self, payload: object, **changed: Any) -> str:
        made: dict[str, Any] = {"secret_key": KEY, "salt": SALT, "signer_kwargs": SIGNER_OPTIONS, **changed}
        return str(URLSafeSerializer(**made).dumps(payload))

    def test_forge_makes_the_same_cursor_as_the_function(self, genuine: str) -> None:
        """Otherwise the other tests would prove nothing."""
        assert self.forge(payload_of(genuine)) == genuine

    @pytest.mark.parametrize(
        "changed",
        [
            *({"secret_key": key} for key in (OTHER_KEY, "", "none", "None", "null", "\0" * 32, KEY.upper(), KEY[:-1])),
            {"secret_key": [KEY, OTHER_KEY]},
            *({"salt": salt} for salt in ("", "itsdangerous", "custom-models", SALT.upper(), SALT + "signer")),
            *(
                {"signer_kwargs": {**SIGNER_OPTIONS, "digest_method": digest}}
                for digest in (hashlib.md5, hashlib.sha1, hashlib.sha512, hashlib.sha3_256, hashlib.blake2s)
            ),
            *(
                {"signer_kwargs": {**SIGNER_OPTIONS, "key_derivation": how}}
                for how in ("none", "concat", "django-concat")
            ),
            {"signer_kwargs": {**SIGNER_OPTIONS, "sep": ":"}},
        ],
        ids=str,
    )
    def test_another_key_salt_or_digest_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, changed: dict[str, Any]
    ) -> None:
        require_rejected(self.forge(payload_of(genuine), **changed))

    def test_other_serializers_are_rejected(self, require_rejected: RequireRejected, genuine: str) -> None:
        payload = payload_of(genuine)
        content = genuine.rpartition(".")[0]
        plain = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), content.encode(), "sha256")).decode()
        for other in (
            str(Serializer(KEY, salt=SALT, signer_kwargs=SIGNER_OPTIONS).dumps(payload)),
            str(URLSafeTimedSerializer(KEY, salt="itsdangerous", signer_kwargs=SIGNER_OPTIONS).dumps(payload)),
            Signer(KEY, salt=SALT, **SIGNER_OPTIONS).sign(json.dumps(payload)).decode(),
            f"{content}.{plain.rstrip('=')}",
        ):
            require_rejected(other)

    @pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
    def test_a_json_web_token_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, algorithm: str
    ) -> None:
        def encoded(content: bytes) -> str:
            return base64.urlsafe_b64encode(content).decode().rstrip("=")

        header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
        signed = f"{encoded(header)}.{encoded(json.dumps(payload_of(genuine)).encode())}"
        signature = hmac.digest(KEY.encode(), signed.encode(), "sha256") if algorithm == "HS256" else b""
        require_rejected(f"{signed}.{encoded(signature)}")

    @pytest.mark.parametrize("signature", ["", "A" * 43, "_" * 43, "none", "0" * 64])
    def test_a_missing_or_empty_signature_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, signature: str
    ) -> None:
        payload = genuine.rpartition(".")[0]
        require_rejected(payload)
        require_rejected(f"{payload}.{signature}")

    @pytest.mark.parametrize("version", [0, 1, 3, -1, 1.5, "2", None, [2], {}])
    def test_another_version_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, version: object
    ) -> None:
        kind = "expired-cursor" if type(version) is int else "invalid-cursor"
        require_rejected(self.forge([version, *payload_of(genuine)[1:]]), kind)

    @pytest.mark.parametrize("payload", [{}, None, "x", 2, [], [2], [2] * 6, [2] * 8, {"nextToken": "x"}])
    def test_a_payload_of_another_shape_is_rejected(self, require_rejected: RequireRejected, payload: object) -> None:
        require_rejected(self.forge(payload))

    def test_a_cursor_with_its_expiry_extended_is_rejected(self, require_rejected: RequireRejected) -> None:
        expired = CursorSigner(StaticKey(KEY), -1).sign(Position().advance(1, "token"), NO_FILTERS)
        require_rejected(expired, "expired-cursor")
        payload = payload_of(expired)
        longer = self.forge([payload[0], payload[1] + 10**6, *payload[2:]], secret_key=OTHER_KEY)
        require_rejected(longer)
        require_rejected(longer.rpartition(".")[0] + "." + expired.rpartition(".")[2])


class TestFromElsewhere:
    def test_a_cursor_of_another_stage_is_rejected(self, require_rejected: RequireRejected) -> None:
        require_rejected(CursorSigner(StaticKey(OTHER_KEY), 3600).sign(Position().advance(1, "token"), NO_FILTERS))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("creationTimeAfter", "2020-01-01T00:00:00Z"),
            ("nameContains", "churn"),
            ("foundationModelArnEquals", "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan"),
            ("modelStatus", "Active"),
            ("sortBy", "CreationTime"),
            ("sortOrder", "Descending"),
        ],
    )
    def test_an_added_filter_is_rejected(
        self, require_rejected: RequireRejected, genuine: str, name: str, value: str
    ) -> None:
        require_rejected(genuine, "cursor-mismatch", **{name: value})

    def test_a_removed_or_changed_filter_is_rejected(
        self, api: Api, emulator: Emulator, require_rejected: RequireRejected
    ) -> None:
        cursor = str(api.invoke({"maxItems": 1, "nameContains": "a"})["nextCursor"])
        emulator.calls.clear()
        require_rejected(cursor, "cursor-mismatch")
        require_rejected(cursor, "cursor-mismatch", nameContains="A")
        require_rejected(cursor, "cursor-mismatch", nameContains="a", sortOrder="Ascending")


def variants(cursor: str) -> dict[str, str]:
    content, _, signature = cursor.rpartition(".")
    wide = {ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdefghijklmnopqrstuvwxyz"}
    assert unicodedata.normalize("NFKC", cursor.translate(wide)) == cursor
    return {
        "padded": cursor + "=",
        "padded twice": cursor + "==",
        "payload padded": f"{content}=.{signature}",
        "percent-encoded": "".join(f"%{ord(c):02X}" for c in cursor),
        "encoded twice": quote(quote(cursor + "=")),
        "base64-encoded": base64.urlsafe_b64encode(cursor.encode()).decode(),
        "upper case": cursor.upper(),
        "quoted": f'"{cursor}"',
        "in a list": f"{cursor},{cursor}",
        "twice": cursor + cursor,
        "space in front": " " + cursor,
        "space at the end": cursor + " ",
        "line feed at the end": cursor + "\n",
        "NUL at the end": cursor + "\0",
        "byte order mark": "\ufeff" + cursor,
        "zero-width joiner inside": cursor[:9] + "\u200d" + cursor[9:],
        "wide characters": cursor.translate(wide),
        "Arabic digits": cursor.translate({ord("0") + digit: 0x660 + digit for digit in range(10)}),
        "standard base64 alphabet": f"{content}.{base64.b64encode(base64.urlsafe_b64decode(signature + '=')).decode()}",
        "extra dot": "." + cursor,
        "doubled dots": cursor.replace(".", ".."),
        "as botocore truncates": cursor + "___5",
        "signature in hex": f"{content}.{base64.urlsafe_b64decode(signature + '=').hex()}",
        "payload in plain text": f"{json.dumps(payload_of(cursor))}.{signature}",
        "too long": "A" * (MAX_LENGTH + 1 - len(cursor)) + cursor,
        "of the maximum length": "A" * (MAX_LENGTH - len(cursor)) + cursor,
        "far too long": cursor * 1000,
    }


@pytest.mark.parametrize("name", variants("e30.AAAA"))
def test_other_spellings_are_rejected(require_rejected: RequireRejected, genuine: str, name: str) -> None:
    variant = variants(genuine)[name]
    assert variant != genuine
    require_rejected(variant)


@pytest.mark.parametrize("digits", ["٣" * 60, "\uff11" * 60, "²" * 60, "a." + "٣" * 43, "٣." + "A" * 43])
def test_digits_outside_ascii_are_rejected(require_rejected: RequireRejected, digits: str) -> None:
    require_rejected(digits)


class TestBombs:
    """itsdangerous compresses payloads: the signature must be checked before anything is decompressed."""

    @pytest.fixture
    def decompressed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The sizes of everything that is decompressed during the test."""
        sizes: list[int] = []
        decompress = zlib.decompress

        def counting(data: bytes) -> bytes:
            content = decompress(data)
            sizes.append(len(content))
            return content

        monkeypatch.setattr("itsdangerous.url_safe.zlib.decompress", counting)
        return sizes

    def test_valid_cursors_are_decompressed(self, api: Api, emulator: Emulator, decompressed: list[int]) -> None:
        """Otherwise the other tests would prove nothing."""
        emulator.misbehave(fields(nextToken="t" * 2000))
        cursor = str(api.invoke({"maxItems": 1})["nextCursor"])
        assert cursor.startswith(".")
        with pytest.raises(errors.ExpiredCursor):  # the emulator does not know the token
            api.invoke({"cursor": cursor})
        assert [size > 2000 for size in decompressed] == [True]

    @pytest.mark.parametrize("megabytes", [1, 5, 100])
    def test_unsigned_cursors_and_those_of_another_key_are_not_decompressed(
        self, require_rejected: RequireRejected, decompressed: list[int], megabytes: int
    ) -> None:
        bomb = packed(b"[" + b" " * megabytes * 1_000_000 + b"]")
        foreign = Signer(OTHER_KEY, salt=SALT, **SIGNER_OPTIONS).sign(bomb).decode()
        assert (len(foreign) <= MAX_LENGTH) == (megabytes <= 5)
        for cursor in (bomb, f"{bomb}.{'A' * 43}", foreign, foreign.removeprefix(".")):
            require_rejected(cursor)
        assert decompressed == []

    def test_a_signed_cursor_decompresses_to_a_limited_size(
        self, require_rejected: RequireRejected, decompressed: list[int]
    ) -> None:
        """Even with the key, the longest cursor decompresses to about six megabytes."""
        content = packed(b'"' + b"a" * 6_100_000 + b'"')
        signed = Signer(KEY, salt=SALT, **SIGNER_OPTIONS).sign(content).decode()
        assert MAX_LENGTH - 300 < len(signed) <= MAX_LENGTH
        require_rejected(signed)
        assert decompressed == [6_100_002] * 2

    def test_signed_content_that_is_not_a_payload_is_rejected(self, require_rejected: RequireRejected) -> None:
        for content in (".", ".AAAA", packed(b"[")[:-4], packed(b"[" * 100_000), packed(b"\xff"), "AAAA", "e30"):
            require_rejected(Signer(KEY, salt=SALT, **SIGNER_OPTIONS).sign(content).decode())


@given(st.integers(1, MAX_LENGTH + 10), st.integers(0, 2**32))
def test_noise_that_looks_like_a_cursor_is_rejected(require_rejected: RequireRejected, length: int, seed: int) -> None:
    noise = hashlib.shake_256(seed.to_bytes(5)).digest(length)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = "".join(alphabet[byte % 64] for byte in noise)
    require_rejected(text)
    require_rejected(f"{text}.{text[:43]:A<43}")
