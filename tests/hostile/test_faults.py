"""Each fault of Bedrock's: what the client sees is what docs/reliability.md says, and it sees it in time."""

from collections.abc import Callable

import pytest

from custom_models.adapters import bedrock
from custom_models.dispatch import RESERVED_SECONDS
from emulators.bedrock import Emulator
from tests.api import Api
from tools.faults import MODELS, REPORT, Case, attempt, cases

pytestmark = pytest.mark.slow  # they wait for what does not come; tests/handler/test_upstream.py is the everyday part

NEWEST_FIRST = [model.arn for model in sorted(MODELS, key=lambda it: (it.created, it.arn), reverse=True)]


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timeouts of a fraction of a second, so that tests of them do not take minutes."""
    monkeypatch.setattr(bedrock, "CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr(bedrock, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(bedrock, "MAX_BACKOFF", 0.3)


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("later", [False, True], ids=["at the first page", "later"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
class TestFault:
    def test_the_client_sees_it_in_time(
        self, new_api: Callable[[], Api], emulator: Emulator, case: Case, later: bool
    ) -> None:
        seen = attempt(new_api().handler, emulator, case, later=later, timeout=RESERVED_SECONDS + 3)
        assert seen.client == (case.later if later else case.first)
        assert seen.seconds < 3.5
        # What had been collected is there.
        assert seen.models == (
            [] if "200" not in seen.client else NEWEST_FIRST[: 10 if "cursor" in seen.client else 30]
        )

    def test_it_does_so_with_little_time_left_too(
        self, new_api: Callable[[], Api], emulator: Emulator, case: Case, later: bool
    ) -> None:
        seen = attempt(new_api().handler, emulator, case, later=later, timeout=RESERVED_SECONDS + 0.4)
        assert seen.seconds < 1.5
        assert seen.client.split()[0].rstrip(",") in ("200", "400", "429", "500", "502", "503")


def test_the_report_has_every_fault() -> None:
    text = REPORT.read_text()
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in text.splitlines() if row.startswith("| ")}
    for case in cases():
        row = rows[case.name].split(" | ")
        assert (row[1], row[5]) == (case.first, case.later)
