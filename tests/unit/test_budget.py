"""The limits of a request and what it used of them."""

import time

import pytest

from custom_models.core.budget import CallUsage, Limits, Usage


@pytest.fixture(autouse=True)
def _frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


def test_a_request_starts_with_no_usage_and_all_its_time() -> None:
    usage = Usage()
    assert (usage.calls, usage.retries, usage.throttles, usage.failed, usage.unreachable) == (0, 0, 0, {}, 0)
    assert (usage.seconds, usage.last_error) == (0, None)
    assert Limits.from_now(10).remaining == 10


def test_the_usage_of_a_request_is_the_sum_of_its_calls() -> None:
    usage = Usage()
    # The second call ended before it sent a request.
    for call in (CallUsage(attempts=3, throttles=2), CallUsage(attempts=0), CallUsage(attempts=1)):
        usage.add(call)
    assert (usage.calls, usage.retries, usage.throttles) == (3, 2, 2)


def test_each_source_that_failed_is_recorded_with_its_error() -> None:
    usage = Usage()
    usage.add_failure("111122223333/us-east-1", "AccessDenied")
    usage.add_failure("444455556666/us-east-1", "500")
    assert usage.failed == {"111122223333/us-east-1": "AccessDenied", "444455556666/us-east-1": "500"}
    assert usage.last_error == "500"
