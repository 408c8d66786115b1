"""Fixtures for the attacks on the function."""

from typing import Any

import pytest
from hypothesis import settings

from tests.api import Api
from tests.hostile.contract import Attack

# Not derandomized: each run tries other inputs.
settings.register_profile("soak", settings.get_profile("everyday"), derandomize=False, max_examples=5000)


@pytest.fixture
def attack(api: Api, capsys: pytest.CaptureFixture[str]) -> Attack:
    """Sends events to the function and checks each response and log. Bedrock works normally."""

    def written() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    return Attack(api.handler, written)


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Shorten inputs in test names: they may be long or contain control characters."""
    return ascii(val)[:40] if isinstance(val, (str, bytes)) else None
