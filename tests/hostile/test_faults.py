"""For each fault of Bedrock, the client sees what docs/reliability.md says, and in time."""

from collections.abc import Callable

import pytest

from custom_models.adapters.bedrock import deadline
from custom_models.dispatch import RESERVED_SECONDS
from emulators.bedrock import Emulator
from tests.api import Api
from tools.faults import MODELS, REPORT, Case, attempt, cases

# They wait for timeouts; tests/handler/test_upstream.py has the quick ones.
pytestmark = pytest.mark.slow

NEWEST_FIRST = [model.arn for model in sorted(MODELS, key=lambda it: (it.created, it.arn), reverse=True)]


@pytest.fixture
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make timeouts fractions of a second, so that the tests do not take minutes."""
    monkeypatch.setattr(deadline, "CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr(deadline, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(deadline, "MAX_ATTEMPT_SECONDS", 0.3)


@pytest.mark.usefixtures("_short_timeouts")
@pytest.mark.parametrize("later", [False, True], ids=["at the first page", "later"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
class TestFault:
    def test_the_client_sees_the_expected_response_in_time(
        self, new_api: Callable[[], Api], emulator: Emulator, case: Case, later: bool
    ) -> None:
        seen = attempt(new_api().handler, emulator, case, later=later, timeout=RESERVED_SECONDS + 3)
        assert seen.client == (case.later if later else case.first)
        assert seen.seconds < 3.5
        # The models that were collected are not lost.
        assert seen.models == (
            [] if "200" not in seen.client else NEWEST_FIRST[: 10 if "cursor" in seen.client else 30]
        )

    def test_the_client_sees_a_response_in_time_if_little_time_is_left(
        self, new_api: Callable[[], Api], emulator: Emulator, case: Case, later: bool
    ) -> None:
        seen = attempt(new_api().handler, emulator, case, later=later, timeout=RESERVED_SECONDS + 0.4)
        assert seen.seconds < 1.5
        assert seen.client.split()[0].rstrip(",") in ("200", "400", "429", "500", "502", "503")


def test_the_report_has_every_fault() -> None:
    lines = [line.strip("|").split("|") for line in REPORT.read_text().splitlines() if line.startswith("|")]
    rows = {name: cells for name, *cells in ([cell.strip() for cell in line] for line in lines)}
    for case in cases():
        assert (rows[case.name][0], rows[case.name][4]) == (case.first, case.later)
