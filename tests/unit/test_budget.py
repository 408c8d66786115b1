"""The budget: what may still start."""

import time

import pytest

from custom_models.core.budget import Budget


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


def test_nothing_is_used_at_the_start() -> None:
    budget = Budget.of(10)
    assert (budget.calls, budget.attempts, budget.retries, budget.throttles) == (0, 0, 0, 0)
    assert (budget.seconds, budget.failure, budget.remaining) == (0, None, 10)


def test_a_call_whose_slowest_attempt_just_fits_may_start() -> None:
    assert Budget.of(10).allows_call(max_attempt_seconds=10)
    assert not Budget.of(10).allows_call(max_attempt_seconds=10.001)


def test_the_last_call_that_counts_may_start_and_none_after_it() -> None:
    assert Budget.of(10).max_calls == 50
    assert Budget(deadline=1010, calls=49).allows_call(1)
    assert not Budget(deadline=1010, calls=50).allows_call(1)


def test_retries_are_the_attempts_beyond_the_first_of_each_call() -> None:
    assert Budget(deadline=0, calls=2, attempts=5).retries == 3
    # A call that was begun and never sent anything.
    assert Budget(deadline=0, calls=2, attempts=1).retries == 0
