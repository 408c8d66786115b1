"""The signing keys: one fixed key, or a secret that is cached, rotated and sometimes not readable."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import botocore.session
import pytest

from custom_models.adapters.signing_keys import (
    CACHE_SECONDS,
    MAX_READ_SECONDS,
    REFRESH_SECONDS,
    SecretKeys,
    StaticKey,
)
from custom_models.bootstrap import build
from custom_models.core.cursor import CursorSigner, Position
from custom_models.core.errors import Internal, InvalidCursor, UpstreamUnavailable
from emulators import secrets_manager
from emulators.faults import Fault, body, disconnect, hang, respond_with, unavailable
from emulators.models import ACCOUNT
from emulators.secrets_manager import NAME, SecretsManager, deny, internal_error, throttle
from emulators.server import Response, serve
from tests.api import Api
from tests.doubles import Clock

T = TypeVar("T")
Factory = Callable[[], T]
Warnings = Callable[[], list[str]]

FINGERPRINT = "the filters of a listing"
POSITION = Position().advance(1, "a token")

BOTH_VERSIONS = [secrets_manager.CURRENT, secrets_manager.PREVIOUS]

UNREACHABLE = {
    "throttled": throttle,
    "429": respond_with(Response(429)),
    "failed": internal_error,
    "unavailable": unavailable,
    "disconnect": disconnect,
}
INVALID_RESPONSES = {
    f"{status}-{content.decode('ascii', 'replace')}": respond_with(Response(status, content))
    for status, bodies in [
        (200, [b"", b"{}", b"null", b"[]", b"<html>Please log in</html>", b"\xff\xfe"]),
        (200, [b'{"SecretString": null}', b'{"SecretBinary": 5}']),
        (302, [b"<html>Please log in</html>"]),
        (400, [b"[]", b""]),
    ]
    for content in bodies
}
UNUSABLE = {
    "denied": deny,
    "missing": respond_with(secrets_manager.error("ResourceNotFoundException")),
    "too-short": body(b'{"SecretString": "short"}'),
    **INVALID_RESPONSES,
}

unreachable = pytest.mark.parametrize("fault", UNREACHABLE.values(), ids=UNREACHABLE)


@pytest.fixture(scope="module")
def _manager() -> Iterator[tuple[SecretsManager, str]]:
    manager = SecretsManager()
    with serve(manager.respond) as url:
        yield manager, url


@pytest.fixture
def manager(_manager: tuple[SecretsManager, str], monkeypatch: pytest.MonkeyPatch) -> SecretsManager:
    """An emulator of Secrets Manager with a secret that was never rotated; the test's clients call it."""
    manager, url = _manager
    manager.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
    return manager


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(manager: SecretsManager, clock: Clock) -> SecretKeys:
    return SecretKeys(NAME, botocore.session.Session, clock)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Warnings:
    """Return the warnings about the keys logged since the last call."""

    def warnings() -> list[str]:
        records = [record for record in caplog.records if record.name == "custom_models.adapters.signing_keys"]
        assert all(record.levelno == logging.WARNING for record in records)
        messages = [record.getMessage() for record in records]
        caplog.clear()
        return messages

    return warnings


@pytest.fixture
def new_function(manager: SecretsManager, api: Api) -> Factory[Api]:
    """Build the function with its key in Secrets Manager, as in a new container on AWS."""
    # `api` makes the function log to this test's standard output.
    return lambda: Api(build({"CURSOR_SECRET_ID": NAME, "OWN_ACCOUNT_ID": ACCOUNT}))


def sixteen_at_once(call: Factory[T]) -> list[T]:
    barrier = Barrier(16)

    def run(_: int) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(run, range(16)))


def test_a_static_key_is_the_only_key_and_is_not_shown() -> None:
    keys = StaticKey("k" * 32)
    assert list(keys.current()) == ["k" * 32]
    assert keys.refresh(keys.current()) is None  # type: ignore[func-returns-value]
    assert "kk" not in f"{keys!r} {keys}"


class TestReading:
    def test_a_secret_that_was_never_rotated_has_one_key_and_is_read_when_needed(
        self, manager: SecretsManager, keys: SecretKeys
    ) -> None:
        assert manager.calls == []
        assert list(keys.current()) == [manager.key]
        assert manager.calls == BOTH_VERSIONS

    def test_a_secret_may_be_named_by_its_arn(self, manager: SecretsManager) -> None:
        assert list(SecretKeys(secrets_manager.ARN, botocore.session.Session).current()) == [manager.key]

    def test_a_rotated_secret_has_two_keys_oldest_first(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.rotate()
        previous, current = manager.rotate(), manager.rotate()
        assert list(keys.current()) == [previous, current]

    def test_a_rotation_between_the_two_calls_loses_no_key(self, manager: SecretsManager, keys: SecretKeys) -> None:
        key = manager.rotate()
        manager.after_call = lambda: manager.rotate() if len(manager.calls) == 1 else None
        assert key in keys.current()


class TestCache:
    def test_keys_are_read_again_after_the_cache_interval(
        self, manager: SecretsManager, keys: SecretKeys, clock: Clock
    ) -> None:
        first = keys.current()
        manager.rotate()
        clock.now += CACHE_SECONDS - 0.5
        assert keys.current() == first
        assert manager.reads == 1
        clock.now += 0.5
        assert list(keys.current()) == [*first, manager.key]
        assert manager.reads == 2

    def test_the_cache_interval_starts_at_the_last_read(
        self, manager: SecretsManager, keys: SecretKeys, clock: Clock
    ) -> None:
        known = keys.current()
        clock.now += CACHE_SECONDS - 1
        assert keys.refresh(known) is None
        clock.now += CACHE_SECONDS - 1
        assert keys.current() == known
        assert manager.reads == 2
        clock.now += 1
        assert keys.current() == known
        assert manager.reads == 3

    def test_a_connection_that_the_server_closed_between_two_reads_does_no_harm(
        self, manager: SecretsManager, keys: SecretKeys, clock: Clock, warnings: Warnings
    ) -> None:
        known = keys.current()
        manager.forget_connections()
        clock.now += CACHE_SECONDS
        assert keys.current() == known
        manager.forget_connections()
        new = manager.rotate()
        assert keys.refresh(known) == (*known, new)
        assert warnings() == []

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            pytest.param(fault, kind, id=name)
            for kind, faults in [("upstream-unavailable", UNREACHABLE), ("internal", UNUSABLE)]
            for name, fault in faults.items()
        ],
    )
    def test_known_keys_stay_in_use_with_one_warning_per_attempt_to_read_the_secret(
        self,
        manager: SecretsManager,
        keys: SecretKeys,
        clock: Clock,
        warnings: Warnings,
        fault: Fault,
        kind: str,
    ) -> None:
        warning = f"The secret cannot be read ({kind}); the known keys stay in use"
        known = keys.current()
        manager.misbehave(always=fault)
        clock.now += CACHE_SECONDS
        for _ in range(3):
            assert keys.current() == known
        assert manager.reads == 2
        assert warnings() == [warning]
        clock.now += REFRESH_SECONDS - 0.5
        assert keys.current() == known
        assert manager.reads == 2
        clock.now += 0.5
        assert keys.current() == known
        assert manager.reads == 3
        assert warnings() == [warning]
        manager.misbehave()
        new = manager.rotate()
        clock.now += REFRESH_SECONDS
        assert keys.current() == (*known, new)
        assert warnings() == []


class TestRefresh:
    def test_a_new_key_is_found_at_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        known = keys.current()
        new = manager.rotate()
        # The second time stands for another thread that tried the old keys too.
        for _ in range(2):
            assert keys.refresh(known) == (*known, new)
        assert keys.current() == (*known, new)
        assert keys.refresh((*known, new)) is None
        assert manager.reads == 2

    def test_the_secret_is_read_at_most_once_per_interval(
        self, manager: SecretsManager, keys: SecretKeys, clock: Clock
    ) -> None:
        known = keys.current()
        assert keys.refresh(known) is None
        assert manager.reads == 2
        new = manager.rotate()
        clock.now += REFRESH_SECONDS - 0.5
        assert keys.refresh(known) is None
        assert manager.reads == 2
        clock.now += 0.5
        assert keys.refresh(known) == (*known, new)
        assert manager.reads == 3

    @unreachable
    def test_an_unreachable_secret_is_read_again_after_the_interval(
        self, manager: SecretsManager, keys: SecretKeys, clock: Clock, fault: Fault
    ) -> None:
        known = keys.current()
        new = manager.rotate()
        manager.misbehave(fault)
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable, match="key that signs cursors"):
                keys.refresh(known)
            assert keys.refresh(("an older key",)) == known
            clock.now += REFRESH_SECONDS / 4
        assert manager.reads == 2
        assert keys.current() == known
        clock.now += REFRESH_SECONDS / 4
        assert keys.refresh(known) == (*known, new)
        assert keys.refresh((*known, new)) is None


class TestUnreachable:
    @unreachable
    def test_it_is_unavailable_until_it_can_be_reached(
        self, manager: SecretsManager, keys: SecretKeys, fault: Fault
    ) -> None:
        for faults in [(fault,), (None, fault)]:
            manager.misbehave(*faults)
            with pytest.raises(UpstreamUnavailable, match="key that signs cursors"):
                keys.current()
        assert list(keys.current()) == [manager.key]

    def test_a_refused_connection_is_unavailable(self) -> None:
        # Without `manager`, the endpoint of all AWS services is a port that refuses connections.
        with pytest.raises(UpstreamUnavailable):
            SecretKeys(NAME, botocore.session.Session).current()

    @pytest.mark.slow
    def test_a_slow_call_and_a_hanging_call_end_in_time(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.latency = 0.9
        manager.misbehave(None, hang(60))
        start = time.monotonic()
        with pytest.raises(UpstreamUnavailable):
            keys.current()
        assert time.monotonic() - start < MAX_READ_SECONDS
        assert manager.calls == BOTH_VERSIONS


class TestUnusable:
    """Failures that only the operators can fix are internal errors."""

    def cause(self, call: Callable[..., object], *arguments: object) -> str:
        """Return the cause of an internal error, which is for the log; the error itself must not contain it."""
        with pytest.raises(Internal) as caught:
            call(*arguments)
        assert str(caught.value) == Internal.advice
        assert caught.value.__cause__ is not None
        return str(caught.value.__cause__)

    def test_a_denied_secret_is_internal_and_known_keys_stay_in_use(
        self, manager: SecretsManager, keys: SecretKeys
    ) -> None:
        manager.misbehave(deny)
        assert "AccessDeniedException" in self.cause(keys.current)
        known = keys.current()
        manager.misbehave(deny)
        assert "AccessDeniedException" in self.cause(keys.refresh, known)
        assert keys.current() == known

    def test_a_missing_secret_is_internal(self, manager: SecretsManager, keys: SecretKeys) -> None:
        assert "no current version" in self.cause(SecretKeys("another", botocore.session.Session).current)
        manager.delete()
        assert "no current version" in self.cause(keys.current)

    @pytest.mark.parametrize("value", ["", "k" * 31, b"k" * 32])
    def test_a_secret_that_is_too_short_or_binary_is_internal(
        self, manager: SecretsManager, keys: SecretKeys, value: str | bytes
    ) -> None:
        manager.put(value)
        assert "at least 32 characters" in self.cause(keys.current)
        manager.put("n" * 32)
        assert list(keys.current()) == ["n" * 32]

    @pytest.mark.parametrize("fault", INVALID_RESPONSES.values(), ids=INVALID_RESPONSES)
    def test_an_invalid_response_is_internal(self, manager: SecretsManager, keys: SecretKeys, fault: Fault) -> None:
        for faults in [(fault,), (None, fault)]:
            manager.misbehave(*faults)
            assert self.cause(keys.current)
        assert list(keys.current()) == [manager.key]

    def test_missing_credentials_are_internal(self, keys: SecretKeys, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert "credentials" in self.cause(keys.current)


class TestSecrecy:
    KEY, TOO_SHORT = "this key must be seen by nobody at all", "correct horse"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "fault",
        [
            None,
            deny,
            internal_error,
            body(b'{"SecretString": "%s"}' % TOO_SHORT.encode()),
            body(b'{"SecretString": "%s' % KEY.encode()),
            body(b'{"SecretString": "%s", "CreatedDate": "%s"}' % (KEY.encode(), KEY.encode())),
            body(b'{"SecretString": "%s\xff"}' % KEY.encode()),
        ],
        ids=["no fault", "denied", "failed", "too-short", "cut-off", "bad-date", "not-utf-8"],
    )
    def test_no_key_is_in_a_debug_log_or_in_an_exception(
        self,
        manager: SecretsManager,
        keys: SecretKeys,
        clock: Clock,
        new_function: Factory[Api],
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        fault: Fault | None,
    ) -> None:
        for logger in (None, "botocore", "urllib3"):
            caplog.set_level(logging.DEBUG, logger)
        SecretKeys(NAME, botocore.session.Session).current()
        assert manager.key in caplog.text, "without the function, botocore logs keys"
        function = new_function()
        caplog.clear()
        manager.put(self.KEY)
        known = keys.current()
        assert known[-1] == self.KEY
        texts = [self.failure(CursorSigner(keys, 60).sign, POSITION, FINGERPRINT)]
        manager.misbehave(always=fault)
        clock.now += CACHE_SECONDS
        failures = [self.failure(keys.refresh, known), self.failure(SecretKeys(NAME, botocore.session.Session).current)]
        assert [failure != "" for failure in failures] == [fault is not None] * 2
        texts += [*failures, self.failure(keys.current), f"{keys!r} {keys}", function.get({"maxItems": 10}).text]
        output = capsys.readouterr()
        assert "function_request_id" in output.out
        assert not [it for it in caplog.records if it.name.startswith("botocore") and it.levelno < logging.WARNING]
        shown = "".join(texts) + output.out + output.err + caplog.text
        assert self.KEY not in shown
        assert self.TOO_SHORT not in shown

    def failure(self, call: Callable[..., object], *arguments: object) -> str:
        """Return all text of an error that a call raises; empty if it succeeds, because its result may hold the key."""
        try:
            call(*arguments)
        except (Internal, UpstreamUnavailable) as error:
            return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)
        return ""


class TestThreads:
    def test_sixteen_threads_read_the_secret_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.latency = 0.05
        assert sixteen_at_once(keys.current) == [(manager.key,)] * 16
        assert manager.calls == BOTH_VERSIONS

    def test_sixteen_threads_refresh_the_keys_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        known = keys.current()
        new = manager.rotate()
        manager.latency = 0.05
        assert sixteen_at_once(lambda: keys.refresh(known)) == [(*known, new)] * 16
        assert manager.reads == 2


class TestCursors:
    """Cursors of several containers, each with its own cache of the keys."""

    @pytest.fixture
    def new_container(self, manager: SecretsManager, clock: Clock) -> Factory[CursorSigner]:
        return lambda: CursorSigner(SecretKeys(NAME, botocore.session.Session, clock), 60)

    def test_a_cursor_is_valid_after_one_rotation_but_not_after_two(
        self, manager: SecretsManager, clock: Clock, new_container: Factory[CursorSigner]
    ) -> None:
        long_lived = new_container()
        cursor = long_lived.sign(POSITION, FINGERPRINT)
        manager.rotate()
        clock.now += CACHE_SECONDS
        for signer in (long_lived, new_container()):
            assert signer.verify(cursor, FINGERPRINT) == POSITION
            newer = signer.sign(POSITION, FINGERPRINT)
            assert CursorSigner(StaticKey(manager.key), 60).verify(newer, FINGERPRINT) == POSITION
        manager.rotate()
        clock.now += CACHE_SECONDS
        for signer in (long_lived, new_container()):
            with pytest.raises(InvalidCursor):
                signer.verify(cursor, FINGERPRINT)

    def test_forged_cursors_refresh_the_keys_once_and_malformed_ones_read_nothing(
        self, manager: SecretsManager, new_container: Factory[CursorSigner]
    ) -> None:
        signer = new_container()
        with pytest.raises(InvalidCursor):
            signer.verify("malformed", FINGERPRINT)
        assert manager.calls == []
        forgery = CursorSigner(StaticKey("another key, which is long enough"), 60).sign(POSITION, FINGERPRINT)
        for _ in range(3):
            with pytest.raises(InvalidCursor):
                signer.verify(forgery, FINGERPRINT)
        assert manager.reads == 2

    def test_a_cursor_is_not_reported_as_invalid_while_the_secret_cannot_be_read(
        self, manager: SecretsManager, clock: Clock, new_container: Factory[CursorSigner]
    ) -> None:
        stale = new_container()
        known = stale.sign(POSITION, FINGERPRINT)
        manager.rotate()
        cursor = new_container().sign(POSITION, FINGERPRINT)
        manager.misbehave(always=unavailable)
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable):
                stale.verify(cursor, FINGERPRINT)
            assert stale.verify(known, FINGERPRINT) == POSITION
        manager.misbehave()
        clock.now += REFRESH_SECONDS
        assert stale.verify(cursor, FINGERPRINT) == POSITION


class TestFunction:
    """The function with its key in Secrets Manager."""

    def test_the_secret_is_read_once_and_only_for_a_listing_with_a_cursor(
        self, manager: SecretsManager, new_function: Factory[Api]
    ) -> None:
        function = new_function()
        response = function.get({"maxItems": 1000})
        assert (response.status, len(response.arns), "nextCursor" in response.body) == (200, 300, False)
        assert manager.calls == []
        for _ in range(2):
            assert "nextCursor" in function.get({"maxItems": 10}).body
        assert manager.calls == BOTH_VERSIONS

    def test_a_walk_continues_after_a_rotation_in_any_container(
        self, manager: SecretsManager, new_function: Factory[Api], capsys: pytest.CaptureFixture[str]
    ) -> None:
        all_arns = new_function().get({"maxItems": 1000}).arns
        old_container, old_key = new_function(), manager.key
        first = old_container.get({"maxItems": 100})
        new_key = manager.rotate()
        second = new_function().get({"maxItems": 100, "cursor": first.body["nextCursor"]})
        third = old_container.get({"maxItems": 100, "cursor": second.body["nextCursor"]})
        assert first.arns + second.arns + third.arns == all_arns
        assert "nextCursor" not in third.body
        assert manager.reads == 3
        output = capsys.readouterr()
        for key in (old_key, new_key):
            assert key not in output.out + output.err

    def test_an_unreachable_secret_is_503_and_the_same_request_succeeds_later(
        self, manager: SecretsManager, new_function: Factory[Api]
    ) -> None:
        function = new_function()
        manager.misbehave(always=throttle)
        response = function.get({"maxItems": 10})
        assert (response.status, response.kind) == (503, "upstream-unavailable")
        assert int(response.headers["Retry-After"]) > 0
        with pytest.raises(UpstreamUnavailable):
            function.invoke({"maxItems": 10})
        manager.misbehave()
        assert function.get({"maxItems": 10}).status == 200

    def test_a_denied_secret_is_an_internal_error_whose_cause_is_only_in_the_log(
        self, manager: SecretsManager, new_function: Factory[Api], logged: Callable[[], dict[str, Any]]
    ) -> None:
        manager.misbehave(always=deny)
        response = new_function().get({"maxItems": 10})
        assert (response.status, response.kind) == (500, "internal")
        assert "AccessDenied" not in response.text
        line = logged()
        assert line["level"] == "ERROR"
        assert "AccessDeniedException" in line["exception"]
