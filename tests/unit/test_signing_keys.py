import logging
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import boto3
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
from emulators.secrets_manager import NAME, SecretsManager, deny, internal_error, throttle
from emulators.server import Response, serve
from tests.api import Api
from tests.doubles import Clock

T = TypeVar("T")
New = Callable[[], T]
Warnings = Callable[[], list[str]]

FINGERPRINT = "the filters of a listing"
POSITION = Position.start("a token")

BOTH_VERSIONS = [secrets_manager.CURRENT, secrets_manager.PREVIOUS]

OUT_OF_REACH = {
    "throttled": throttle,
    "429": respond_with(Response(429)),
    "failed": internal_error,
    "unavailable": unavailable,
    "disconnect": disconnect,
}
NOT_THE_PROTOCOL = {
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
    **NOT_THE_PROTOCOL,
}

out_of_reach = pytest.mark.parametrize("fault", OUT_OF_REACH.values(), ids=OUT_OF_REACH)


@pytest.fixture(scope="module")
def _manager() -> Iterator[tuple[SecretsManager, str]]:
    manager = SecretsManager()
    with serve(manager.respond) as url:
        yield manager, url


@pytest.fixture
def manager(_manager: tuple[SecretsManager, str], monkeypatch: pytest.MonkeyPatch) -> SecretsManager:
    """A Secrets Manager with a secret that was never rotated, where this test's clients find it."""
    manager, url = _manager
    manager.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
    return manager


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(manager: SecretsManager, clock: Clock) -> SecretKeys:
    return SecretKeys(NAME, boto3.Session(), clock)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Warnings:
    """What was logged about the keys since the last look."""

    def warnings() -> list[str]:
        records = [record for record in caplog.records if record.name == "custom_models.adapters.signing_keys"]
        assert all(record.levelno == logging.WARNING for record in records)
        texts = [record.getMessage() for record in records]
        caplog.clear()
        return texts

    return warnings


@pytest.fixture
def new_function(manager: SecretsManager, api: Api) -> New[Api]:
    """Build the function as it is on AWS, in a container of its own."""
    # What `api` is asked for is the log: this test's standard output, and no earlier test's.
    return lambda: Api(build({"CURSOR_SECRET_ID": NAME}))


def sixteen_at_once(call: New[T]) -> list[T]:
    barrier = Barrier(16)

    def run(_: int) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(run, range(16)))


def test_a_given_key_is_the_only_one_and_is_not_shown() -> None:
    given = StaticKey("k" * 32)
    assert list(given.current()) == ["k" * 32]
    assert given.refresh(given.current()) is None  # type: ignore[func-returns-value]
    assert "kk" not in f"{given!r} {given}"


class TestReading:
    def test_one_never_rotated_has_one_key_read_when_needed(self, manager: SecretsManager, keys: SecretKeys) -> None:
        assert manager.calls == []
        assert list(keys.current()) == [manager.key]
        assert manager.calls == BOTH_VERSIONS

    def test_it_is_found_by_its_arn_too(self, manager: SecretsManager) -> None:
        assert list(SecretKeys(secrets_manager.ARN, boto3.Session()).current()) == [manager.key]

    def test_a_rotated_one_has_two_keys_oldest_first(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.rotate()
        last_but_one, last = manager.rotate(), manager.rotate()
        assert list(keys.current()) == [last_but_one, last]

    def test_a_rotation_in_the_middle_loses_no_current_key(self, manager: SecretsManager, keys: SecretKeys) -> None:
        old = manager.rotate()
        manager.after_call = lambda: manager.rotate() if len(manager.calls) == 1 else None
        assert old in keys.current()


class TestCache:
    def test_old_keys_are_read_again(self, manager: SecretsManager, keys: SecretKeys, clock: Clock) -> None:
        first = keys.current()
        manager.rotate()
        clock.now += CACHE_SECONDS - 0.5
        assert keys.current() == first
        assert manager.reads == 1
        clock.now += 0.5
        assert list(keys.current()) == [*first, manager.key]
        assert manager.reads == 2

    def test_the_age_counts_from_the_last_read(self, manager: SecretsManager, keys: SecretKeys, clock: Clock) -> None:
        known = keys.current()
        clock.now += CACHE_SECONDS - 1
        assert keys.refresh(known) is None
        clock.now += CACHE_SECONDS - 1
        assert keys.current() == known
        assert manager.reads == 2
        clock.now += 1
        assert keys.current() == known
        assert manager.reads == 3

    def test_a_connection_that_died_meanwhile_does_not_matter(
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
            for kind, faults in [("upstream-unavailable", OUT_OF_REACH), ("internal", UNUSABLE)]
            for name, fault in faults.items()
        ],
    )
    def test_known_keys_stay_in_use_with_one_warning_and_are_not_asked_for_at_every_request(
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


class TestRenewal:
    def test_a_key_rotated_just_after_a_read_is_found_at_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        known = keys.current()
        new = manager.rotate()
        for _ in range(2):  # The second time as another thread would, which tried the old keys too.
            assert keys.refresh(known) == (*known, new)
        assert keys.current() == (*known, new)
        assert keys.refresh((*known, new)) is None
        assert manager.reads == 2

    def test_once_in_an_interval_at_most(self, manager: SecretsManager, keys: SecretKeys, clock: Clock) -> None:
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

    @out_of_reach
    def test_while_out_of_reach(self, manager: SecretsManager, keys: SecretKeys, clock: Clock, fault: Fault) -> None:
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


class TestOutOfReach:
    @out_of_reach
    def test_unavailable_until_it_is_back(self, manager: SecretsManager, keys: SecretKeys, fault: Fault) -> None:
        for faults in [(fault,), (None, fault)]:
            manager.misbehave(*faults)
            with pytest.raises(UpstreamUnavailable, match="key that signs cursors"):
                keys.current()
        assert list(keys.current()) == [manager.key]

    def test_nothing_that_listens_is_unavailable_too(self) -> None:
        # Without `manager` the endpoint is the one of conftest's, which refuses connections.
        with pytest.raises(UpstreamUnavailable):
            SecretKeys(NAME, boto3.Session()).current()

    @pytest.mark.slow
    def test_a_slow_call_and_one_that_hangs_end_in_time(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.latency = 0.9
        manager.misbehave(None, hang(60))
        start = time.monotonic()
        with pytest.raises(UpstreamUnavailable):
            keys.current()
        assert time.monotonic() - start < MAX_READ_SECONDS
        assert manager.calls == BOTH_VERSIONS


class TestNotAKey:
    def refused(self, call: Callable[..., object], *arguments: object) -> str:
        """Return why, for the operators; the caller is told nothing of it."""
        with pytest.raises(Internal) as caught:
            call(*arguments)
        assert str(caught.value) == Internal.advice
        assert caught.value.__cause__ is not None
        return str(caught.value.__cause__)

    def test_denied(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.misbehave(deny)
        assert "AccessDeniedException" in self.refused(keys.current)
        known = keys.current()
        manager.misbehave(deny)
        assert "AccessDeniedException" in self.refused(keys.refresh, known)
        assert keys.current() == known

    def test_missing(self, manager: SecretsManager, keys: SecretKeys) -> None:
        assert "no current version" in self.refused(SecretKeys("another", boto3.Session()).current)
        manager.delete()
        assert "no current version" in self.refused(keys.current)

    @pytest.mark.parametrize("value", ["", "k" * 31, b"k" * 32])
    def test_too_short_or_binary(self, manager: SecretsManager, keys: SecretKeys, value: str | bytes) -> None:
        manager.put(value)
        assert "at least 32 characters" in self.refused(keys.current)
        manager.put("n" * 32)
        assert list(keys.current()) == ["n" * 32]

    @pytest.mark.parametrize("fault", NOT_THE_PROTOCOL.values(), ids=NOT_THE_PROTOCOL)
    def test_not_the_protocol(self, manager: SecretsManager, keys: SecretKeys, fault: Fault) -> None:
        for faults in [(fault,), (None, fault)]:
            manager.misbehave(*faults)
            assert self.refused(keys.current)
        assert list(keys.current()) == [manager.key]

    def test_no_credentials(self, keys: SecretKeys, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert "credentials" in self.refused(keys.current)


class TestSecrecy:
    KEY, TOO_SHORT = "this key must be seen by nobody at all", "correct horse"

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
        ids=["right", "denied", "failed", "too-short", "cut-off", "bad-date", "not-utf-8"],
    )
    def test_no_key_is_in_a_log_at_debug_or_in_an_exception(
        self,
        manager: SecretsManager,
        keys: SecretKeys,
        clock: Clock,
        new_function: New[Api],
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        fault: Fault | None,
    ) -> None:
        for logger in (None, "botocore", "urllib3"):
            caplog.set_level(logging.DEBUG, logger)
        SecretKeys(NAME, boto3.Session()).current()
        assert manager.key in caplog.text, "botocore logs keys, unless the function sees to it"
        function = new_function()
        caplog.clear()
        manager.put(self.KEY)
        known = keys.current()
        assert known[-1] == self.KEY
        seen = [self.failure(CursorSigner(keys, 60).sign, POSITION, FINGERPRINT)]
        manager.misbehave(always=fault)
        clock.now += CACHE_SECONDS
        failures = [self.failure(keys.refresh, known), self.failure(SecretKeys(NAME, boto3.Session()).current)]
        assert [failure != "" for failure in failures] == [fault is not None] * 2
        seen += [*failures, self.failure(keys.current), f"{keys!r} {keys}", function.get({"maxItems": 10}).text]
        output = capsys.readouterr()
        assert "function_request_id" in output.out
        assert "Found credentials" in caplog.text
        shown = "".join(seen) + output.out + output.err + caplog.text
        assert self.KEY not in shown
        assert self.TOO_SHORT not in shown

    def failure(self, call: Callable[..., object], *arguments: object) -> str:
        """Return what a failure shows; a success may return the key."""
        try:
            call(*arguments)
        except (Internal, UpstreamUnavailable) as error:
            return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)
        return ""


class TestThreads:
    def test_sixteen_that_ask_at_once_read_it_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        manager.latency = 0.05
        assert sixteen_at_once(keys.current) == [(manager.key,)] * 16
        assert manager.calls == BOTH_VERSIONS

    def test_sixteen_that_need_other_keys_read_them_once(self, manager: SecretsManager, keys: SecretKeys) -> None:
        known = keys.current()
        new = manager.rotate()
        manager.latency = 0.05
        assert sixteen_at_once(lambda: keys.refresh(known)) == [(*known, new)] * 16
        assert manager.reads == 2


class TestCursors:
    """Several containers, each with keys of its own."""

    @pytest.fixture
    def container(self, manager: SecretsManager, clock: Clock) -> New[CursorSigner]:
        return lambda: CursorSigner(SecretKeys(NAME, boto3.Session(), clock), 60)

    def test_one_outlives_only_one_rotation(
        self, manager: SecretsManager, clock: Clock, container: New[CursorSigner]
    ) -> None:
        long_lived = container()
        cursor = long_lived.sign(POSITION, FINGERPRINT)
        manager.rotate()
        clock.now += CACHE_SECONDS
        for cursors in (long_lived, container()):
            assert cursors.verify(cursor, FINGERPRINT) == POSITION
            newer = cursors.sign(POSITION, FINGERPRINT)
            assert CursorSigner(StaticKey(manager.key), 60).verify(newer, FINGERPRINT) == POSITION
        manager.rotate()
        clock.now += CACHE_SECONDS
        for cursors in (long_lived, container()):
            with pytest.raises(InvalidCursor):
                cursors.verify(cursor, FINGERPRINT)

    def test_forgeries_cost_one_read_and_rubbish_none(
        self, manager: SecretsManager, container: New[CursorSigner]
    ) -> None:
        cursors = container()
        with pytest.raises(InvalidCursor):
            cursors.verify("rubbish", FINGERPRINT)
        assert manager.calls == []
        forgery = CursorSigner(StaticKey("another key, which is long enough"), 60).sign(POSITION, FINGERPRINT)
        for _ in range(3):
            with pytest.raises(InvalidCursor):
                cursors.verify(forgery, FINGERPRINT)
        assert manager.reads == 2

    def test_nobody_is_told_that_a_cursor_is_invalid_while_nobody_can_know(
        self, manager: SecretsManager, clock: Clock, container: New[CursorSigner]
    ) -> None:
        stale = container()
        known = stale.sign(POSITION, FINGERPRINT)
        manager.rotate()
        cursor = container().sign(POSITION, FINGERPRINT)
        manager.misbehave(always=unavailable)
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable):
                stale.verify(cursor, FINGERPRINT)
            assert stale.verify(known, FINGERPRINT) == POSITION
        manager.misbehave()
        clock.now += REFRESH_SECONDS
        assert stale.verify(cursor, FINGERPRINT) == POSITION


class TestFunction:
    """The function as it is built on AWS."""

    def test_a_cursor_alone_needs_the_secret_once(self, manager: SecretsManager, new_function: New[Api]) -> None:
        function = new_function()
        answer = function.get({"maxItems": 1000})
        assert (answer.status, len(answer.arns), "nextCursor" in answer.body) == (200, 300, False)
        assert manager.calls == []
        for _ in range(2):
            assert "nextCursor" in function.get({"maxItems": 10}).body
        assert manager.calls == BOTH_VERSIONS

    def test_a_walk_goes_on_after_a_rotation_in_whatever_container(
        self, manager: SecretsManager, new_function: New[Api], capsys: pytest.CaptureFixture[str]
    ) -> None:
        everything = new_function().get({"maxItems": 1000}).arns
        stale, old = new_function(), manager.key
        first = stale.get({"maxItems": 100})
        new = manager.rotate()
        second = new_function().get({"maxItems": 100, "cursor": first.body["nextCursor"]})
        third = stale.get({"maxItems": 100, "cursor": second.body["nextCursor"]})
        assert first.arns + second.arns + third.arns == everything
        assert "nextCursor" not in third.body
        assert manager.reads == 3
        shown = capsys.readouterr()
        for key in (old, new):
            assert key not in shown.out + shown.err

    def test_out_of_reach_is_503_and_worth_another_try(self, manager: SecretsManager, new_function: New[Api]) -> None:
        function = new_function()
        manager.misbehave(always=throttle)
        answer = function.get({"maxItems": 10})
        assert (answer.status, answer.kind) == (503, "upstream-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        with pytest.raises(UpstreamUnavailable):
            function.invoke({"maxItems": 10})
        manager.misbehave()
        assert function.get({"maxItems": 10}).status == 200

    def test_denied_is_a_fault_of_ours_whose_cause_is_in_the_log_alone(
        self, manager: SecretsManager, new_function: New[Api], logged: Callable[[], dict[str, Any]]
    ) -> None:
        manager.misbehave(always=deny)
        answer = new_function().get({"maxItems": 10})
        assert (answer.status, answer.kind) == (500, "internal")
        assert "AccessDenied" not in answer.text
        line = logged()
        assert line["level"] == "ERROR"
        assert "AccessDeniedException" in line["exception"]
