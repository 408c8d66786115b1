"""What a request may still do, and what it used."""

import time

import pytest

from custom_models.core.budget import Limits, Usage


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


def test_nothing_is_used_at_the_start() -> None:
    usage = Usage()
    assert (usage.calls, usage.attempts, usage.retries, usage.throttles) == (0, 0, 0, 0)
    assert (usage.seconds, usage.last_error) == (0, None)
    assert Limits.from_now(10).remaining == 10


def test_a_call_may_start_if_its_slowest_attempt_just_fits() -> None:
    assert Limits.from_now(10).allow_call(0, max_attempt_seconds=10)
    assert not Limits.from_now(10).allow_call(0, max_attempt_seconds=10.001)


def test_the_fiftieth_call_may_start_but_not_the_next_one() -> None:
    assert Limits.from_now(10).allow_call(49, 1)
    assert not Limits.from_now(10).allow_call(50, 1)


def test_retries_are_the_attempts_after_the_first_one_of_each_call() -> None:
    assert Usage(calls=2, attempts=5).retries == 3
    # A call that was started but sent nothing.
    assert Usage(calls=2, attempts=1).retries == 0
