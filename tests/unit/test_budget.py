"""The limits of a request and what it used of them."""

import time

import pytest

from custom_models.core.budget import Limits, Usage


@pytest.fixture(autouse=True)
def _frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


def test_a_request_starts_with_no_usage_and_all_its_time() -> None:
    usage = Usage()
    assert (usage.calls, usage.attempts, usage.retries, usage.throttles) == (0, 0, 0, 0)
    assert (usage.seconds, usage.last_error) == (0, None)
    assert Limits.from_now(10).remaining == 10


def test_a_call_may_start_only_if_its_slowest_attempt_ends_before_the_deadline() -> None:
    assert Limits.from_now(10).allow_call(0, max_attempt_seconds=10)
    assert not Limits.from_now(10).allow_call(0, max_attempt_seconds=10.001)


def test_a_request_may_make_at_most_fifty_calls() -> None:
    assert Limits.from_now(10).allow_call(49, 1)
    assert not Limits.from_now(10).allow_call(50, 1)


def test_retries_are_the_attempts_after_the_first_one_of_each_call() -> None:
    assert Usage(calls=2, attempts=5).retries == 3
    # One of these calls ended before it sent a request.
    assert Usage(calls=2, attempts=1).retries == 0
