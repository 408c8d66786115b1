"""CursorSigner that are not ours, or no more, or of something else: refused, and Bedrock never hears of them."""

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
from custom_models.core.query import Query
from emulators.bedrock import Emulator, fields
from local.api_gateway import proxy_event
from tests.api import KEY, Api
from tests.hostile.contract import Attack

SALT = "custom-models.cursor"
OURS: dict[str, Any] = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
FOREIGN = "a key of another stage, just as long as ours"
LONGEST = 8192
NO_FILTERS = Query.from_text({}).fingerprint


@pytest.fixture
def genuine(api: Api, emulator: Emulator) -> str:
    """A cursor that would be taken."""
    cursor = str(api.invoke({"maxItems": 3})["nextCursor"])
    api.invoke({"cursor": cursor, "maxItems": 1})
    assert len(emulator.calls) == 2
    emulator.calls.clear()
    return cursor


@pytest.fixture
def require_refused(attack: Attack, emulator: Emulator) -> Callable[..., None]:
    """Requires one kind of refusal, over HTTP as directly, and no call of Bedrock."""
    classes = {error.kind: error for error in STATUS}

    def require_refused(cursor: str, kind: str = "invalid-cursor", **filters: str) -> None:
        query = urlencode({"cursor": cursor, "maxItems": "5", **filters})
        answer = attack(proxy_event("GET", f"/v1/custom-models?{query}", []))
        assert json.loads(answer["body"])["type"] == f"urn:problem-type:custom-models:{kind}"
        assert attack.line["outcome"] == kind
        assert type(attack({"cursor": cursor, "maxItems": 5, **filters})) is classes[kind]
        assert len(cursor) < 20 or cursor not in attack.text
        assert emulator.calls == []

    return require_refused


RequireRefused = Callable[..., None]


def payload_of(cursor: str) -> Any:
    """Return what a cursor holds, whoever signed it."""
    return URLSafeSerializer("").loads_unsafe(cursor)[1]


def packed(content: bytes) -> str:
    """Return a compressed payload as a cursor has it."""
    return "." + base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")


class TestDamaged:
    def test_every_bit(self, api: Api, emulator: Emulator, genuine: str) -> None:
        for place in range(len(genuine)):
            for bit in range(8):
                damaged = bytearray(genuine, "ascii")
                damaged[place] ^= 1 << bit
                with pytest.raises(errors.InvalidCursor):
                    api.invoke({"cursor": damaged.decode("latin-1")})
        assert emulator.calls == []

    def test_every_cut_and_every_character_lost_doubled_or_swapped(
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

    def test_every_splice_of_two(self, api: Api, emulator: Emulator, genuine: str) -> None:
        other = str(api.invoke({"maxItems": 4})["nextCursor"])
        emulator.calls.clear()
        for place in range(1, len(genuine)):
            for spliced in (genuine[:place] + other[place:], other[:place] + genuine[place:]):
                if spliced not in (genuine, other):
                    with pytest.raises(errors.InvalidCursor):
                        api.invoke({"cursor": spliced})
        assert emulator.calls == []

    @given(st.data())
    def test_any_edit(self, require_refused: RequireRefused, genuine: str, data: st.DataObject) -> None:
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(genuine))] * 2)))
        alphabet = st.characters() | st.sampled_from("._-AQgw09=+/% ")
        edited = genuine[:start] + data.draw(st.text(alphabet, max_size=8)) + genuine[end:]
        assume(edited not in ("", genuine))
        # What is no Unicode text cannot be in a URL.
        assume(not re.search("[\ud800-\udfff]", edited))
        require_refused(edited)


class TestForged:
    def forge(self, payload: object, **changed: Any) -> str:
        made: dict[str, Any] = {"secret_key": KEY, "salt": SALT, "signer_kwargs": OURS, **changed}
        return str(URLSafeSerializer(**made).dumps(payload))

    def test_what_is_forged_here_is_what_the_function_makes(self, genuine: str) -> None:
        """Else none of these would prove anything."""
        assert self.forge(payload_of(genuine)) == genuine

    @pytest.mark.parametrize(
        "changed",
        [
            *({"secret_key": key} for key in (FOREIGN, "", "none", "None", "null", "\0" * 32, KEY.upper(), KEY[:-1])),
            {"secret_key": [KEY, FOREIGN]},
            *({"salt": salt} for salt in ("", "itsdangerous", "custom-models", SALT.upper(), SALT + "signer")),
            *(
                {"signer_kwargs": {**OURS, "digest_method": digest}}
                for digest in (hashlib.md5, hashlib.sha1, hashlib.sha512, hashlib.sha3_256, hashlib.blake2s)
            ),
            *({"signer_kwargs": {**OURS, "key_derivation": how}} for how in ("none", "concat", "django-concat")),
            {"signer_kwargs": {**OURS, "sep": ":"}},
        ],
        ids=str,
    )
    def test_with_another_key_salt_or_digest(
        self, require_refused: RequireRefused, genuine: str, changed: dict[str, Any]
    ) -> None:
        require_refused(self.forge(payload_of(genuine), **changed))

    def test_with_another_serializer(self, require_refused: RequireRefused, genuine: str) -> None:
        payload = payload_of(genuine)
        content = genuine.rpartition(".")[0]
        plain = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), content.encode(), "sha256")).decode()
        for other in (
            str(Serializer(KEY, salt=SALT, signer_kwargs=OURS).dumps(payload)),
            str(URLSafeTimedSerializer(KEY, salt="itsdangerous", signer_kwargs=OURS).dumps(payload)),
            Signer(KEY, salt=SALT, **OURS).sign(json.dumps(payload)).decode(),
            f"{content}.{plain.rstrip('=')}",
        ):
            require_refused(other)

    @pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
    def test_as_a_web_token(self, require_refused: RequireRefused, genuine: str, algorithm: str) -> None:
        def encoded(content: bytes) -> str:
            return base64.urlsafe_b64encode(content).decode().rstrip("=")

        header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
        signed = f"{encoded(header)}.{encoded(json.dumps(payload_of(genuine)).encode())}"
        signature = hmac.digest(KEY.encode(), signed.encode(), "sha256") if algorithm == "HS256" else b""
        require_refused(f"{signed}.{encoded(signature)}")

    @pytest.mark.parametrize("signature", ["", "A" * 43, "_" * 43, "none", "0" * 64])
    def test_without_a_signature(self, require_refused: RequireRefused, genuine: str, signature: str) -> None:
        payload = genuine.rpartition(".")[0]
        require_refused(payload)
        require_refused(f"{payload}.{signature}")

    @pytest.mark.parametrize("version", [0, 2, -1, 1.5, "1", None, [1], {}])
    def test_of_another_version(self, require_refused: RequireRefused, genuine: str, version: object) -> None:
        require_refused(self.forge([version, *payload_of(genuine)[1:]]))

    @pytest.mark.parametrize("payload", [{}, None, "x", 1, [], [1], [1] * 5, [1] * 7, {"nextToken": "x"}])
    def test_of_another_shape(self, require_refused: RequireRefused, payload: object) -> None:
        require_refused(self.forge(payload))

    def test_after_its_time_with_a_later_one_written_over_it(self, require_refused: RequireRefused) -> None:
        expired = CursorSigner(StaticKey(KEY), -1).sign(Position.start("token"), NO_FILTERS)
        require_refused(expired, "expired-cursor")
        payload = payload_of(expired)
        longer = self.forge([payload[0], payload[1] + 10**6, *payload[2:]], secret_key=FOREIGN)
        require_refused(longer)
        require_refused(longer.rpartition(".")[0] + "." + expired.rpartition(".")[2])


class TestOutOfPlace:
    def test_of_another_stage(self, require_refused: RequireRefused) -> None:
        require_refused(CursorSigner(StaticKey(FOREIGN), 3600).sign(Position.start("token"), NO_FILTERS))

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
    def test_with_a_filter_more(self, require_refused: RequireRefused, genuine: str, name: str, value: str) -> None:
        require_refused(genuine, "cursor-mismatch", **{name: value})

    def test_with_a_filter_less_or_another(self, api: Api, emulator: Emulator, require_refused: RequireRefused) -> None:
        cursor = str(api.invoke({"maxItems": 1, "nameContains": "a"})["nextCursor"])
        emulator.calls.clear()
        require_refused(cursor, "cursor-mismatch")
        require_refused(cursor, "cursor-mismatch", nameContains="A")
        require_refused(cursor, "cursor-mismatch", nameContains="a", sortOrder="Ascending")


def other_spellings(cursor: str) -> dict[str, str]:
    content, _, signature = cursor.rpartition(".")
    wide = {ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdefghijklmnopqrstuvwxyz"}
    assert unicodedata.normalize("NFKC", cursor.translate(wide)) == cursor
    return {
        "padded": cursor + "=",
        "padded twice": cursor + "==",
        "payload padded": f"{content}=.{signature}",
        "percent-encoded": "".join(f"%{ord(c):02X}" for c in cursor),
        "encoded twice": quote(quote(cursor + "=")),
        "base64 of it": base64.urlsafe_b64encode(cursor.encode()).decode(),
        "in upper case": cursor.upper(),
        "quoted": f'"{cursor}"',
        "in a list": f"{cursor},{cursor}",
        "twice": cursor + cursor,
        "a space before": " " + cursor,
        "a space after": cursor + " ",
        "a line feed after": cursor + "\n",
        "a NUL after": cursor + "\0",
        "a byte order mark": "\ufeff" + cursor,
        "a joiner within": cursor[:9] + "\u200d" + cursor[9:],
        "wide characters": cursor.translate(wide),
        "Arabic digits": cursor.translate({ord("0") + digit: 0x660 + digit for digit in range(10)}),
        "another alphabet": f"{content}.{base64.b64encode(base64.urlsafe_b64decode(signature + '=')).decode()}",
        "a dot more": "." + cursor,
        "two dots": cursor.replace(".", ".."),
        "as botocore truncates": cursor + "___5",
        "signature in hex": f"{content}.{base64.urlsafe_b64decode(signature + '=').hex()}",
        "payload in plain text": f"{json.dumps(payload_of(cursor))}.{signature}",
        "too long": "A" * (LONGEST + 1 - len(cursor)) + cursor,
        "as long as may be": "A" * (LONGEST - len(cursor)) + cursor,
        "a long way too long": cursor * 1000,
    }


@pytest.mark.parametrize("spelling", other_spellings("e30.AAAA"))
def test_other_spellings_of_it(require_refused: RequireRefused, genuine: str, spelling: str) -> None:
    spelt = other_spellings(genuine)[spelling]
    assert spelt != genuine
    require_refused(spelt)


@pytest.mark.parametrize("digits", ["٣" * 60, "\uff11" * 60, "²" * 60, "a." + "٣" * 43, "٣." + "A" * 43])
def test_digits_that_are_not_ascii(require_refused: RequireRefused, digits: str) -> None:
    require_refused(digits)


class TestBombs:
    """itsdangerous compresses: what a few bytes become a thousandfold must be signed before it may."""

    @pytest.fixture
    def unpacked(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The sizes of all that is decompressed from now on."""
        sizes: list[int] = []
        decompress = zlib.decompress

        def counting(data: bytes) -> bytes:
            content = decompress(data)
            sizes.append(len(content))
            return content

        monkeypatch.setattr("itsdangerous.url_safe.zlib.decompress", counting)
        return sizes

    def test_ours_are_unpacked(self, api: Api, emulator: Emulator, unpacked: list[int]) -> None:
        """Else the others would prove nothing."""
        emulator.misbehave(fields(nextToken="t" * 2000))
        cursor = str(api.invoke({"maxItems": 1})["nextCursor"])
        assert cursor.startswith(".")
        with pytest.raises(errors.ExpiredCursor):  # the emulator knows no such token
            api.invoke({"cursor": cursor})
        assert [size > 2000 for size in unpacked] == [True]

    @pytest.mark.parametrize("megabytes", [1, 5, 100])
    def test_unsigned_and_foreign_ones_are_not(
        self, require_refused: RequireRefused, unpacked: list[int], megabytes: int
    ) -> None:
        bomb = packed(b"[" + b" " * megabytes * 1_000_000 + b"]")
        foreign = Signer(FOREIGN, salt=SALT, **OURS).sign(bomb).decode()
        assert (len(foreign) <= LONGEST) == (megabytes <= 5)
        for cursor in (bomb, f"{bomb}.{'A' * 43}", foreign, foreign.removeprefix(".")):
            require_refused(cursor)
        assert unpacked == []

    def test_not_even_a_signed_one_is_large(self, require_refused: RequireRefused, unpacked: list[int]) -> None:
        """Whoever has the key gets no more than six megabytes out of the longest cursor."""
        content = packed(b'"' + b"a" * 6_100_000 + b'"')
        signed = Signer(KEY, salt=SALT, **OURS).sign(content).decode()
        assert LONGEST - 300 < len(signed) <= LONGEST
        require_refused(signed)
        assert unpacked == [6_100_002] * 2

    def test_signed_ones_that_are_no_such_thing(self, require_refused: RequireRefused) -> None:
        for content in (".", ".AAAA", packed(b"[")[:-4], packed(b"[" * 100_000), packed(b"\xff"), "AAAA", "e30"):
            require_refused(Signer(KEY, salt=SALT, **OURS).sign(content).decode())


@given(st.integers(1, LONGEST + 10), st.integers(0, 2**32))
def test_noise_in_the_form_of_a_cursor(require_refused: RequireRefused, length: int, seed: int) -> None:
    noise = hashlib.shake_256(seed.to_bytes(5)).digest(length)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = "".join(alphabet[byte % 64] for byte in noise)
    require_refused(text)
    require_refused(f"{text}.{text[:43]:A<43}")
