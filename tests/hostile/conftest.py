"""The function under attack, and what must hold after each."""

from typing import Any

import pytest
from hypothesis import settings

from tests.api import Api
from tests.hostile.contract import Attack

# Not derandomized: each run looks elsewhere.
settings.register_profile("soak", settings.get_profile("everyday"), derandomize=False, max_examples=5000)


@pytest.fixture
def attack(api: Api, capsys: pytest.CaptureFixture[str]) -> Attack:
    """The function before a Bedrock that is well, holding each answer and each log against the contract."""

    def written() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    return Attack(api.handler, written)


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Keep what is sent out of the tests' names: it may be long, or break a terminal."""
    return ascii(val)[:40] if isinstance(val, (str, bytes)) else None
