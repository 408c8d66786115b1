"""For each fault of Bedrock, the client sees what docs/reliability.md says, and in time."""

from collections.abc import Callable, Iterator

import pytest

from custom_models.adapters.bedrock import deadline
from custom_models.dispatch import RESERVED_SECONDS
from emulators.bedrock import Emulator
from emulators.models import newest_first
from emulators.server import serve
from tests.api import Api
from tools.faults import MODELS, REPORT, Case, SourceCase, Sources, attempt, cases, source_cases

# They wait for timeouts; tests/handler/test_upstream.py has the quick ones.
pytestmark = pytest.mark.slow

NEWEST_FIRST = [model.arn for model in newest_first(MODELS)]


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


@pytest.fixture(scope="module")
def organization() -> Iterator[tuple[Sources, dict[str, str]]]:
    """Three sources, and the settings of a function that lists them."""
    sources = Sources()
    with serve(sources.bedrock.respond) as bedrock, serve(sources.sts.respond) as sts:
        settings = {"AWS_ENDPOINT_URL_BEDROCK": bedrock, "AWS_ENDPOINT_URL_STS": sts, "INVENTORY": sources.INVENTORY}
        yield sources, settings


@pytest.mark.usefixtures("_short_timeouts")
@pytest.mark.parametrize("allow_partial", [False, True], ids=["strict", "partial"])
@pytest.mark.parametrize("case", source_cases(), ids=lambda case: case.name)
def test_a_fault_of_one_source_of_three(
    new_api: Callable[[], Api],
    organization: tuple[Sources, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    case: SourceCase,
    allow_partial: bool,
) -> None:
    """The other sources are listed, and it is clear that this one is missing."""
    sources, settings = organization
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deadline, "MAX_CALL_SECONDS", 2.5)
    seen = sources.attempt(new_api().handler, case, allow_partial=allow_partial, timeout=RESERVED_SECONDS + 6)
    assert seen.client == (case.partial if allow_partial else case.strict)
    assert seen.seconds < 6.5
    first, faulty, last = sources.models.values()
    listed = [*first, *faulty, *last] if seen.client == "200" else [*first, *last]
    if "cursor" in seen.client:
        listed = [*first]
    elif not seen.client.startswith("200"):
        listed = []
    if not case.filters:
        assert set(seen.models) == {model.arn for model in listed}


def test_the_report_has_every_fault() -> None:
    rows = list(report_rows())
    for case in cases():
        assert next((row[1], row[5]) for row in rows if row[0] == case.name) == (case.first, case.later)
    for source_case in source_cases():
        assert [(row[1], row[4]) for row in rows if row[0] == source_case.name][-1] == (
            source_case.strict,
            source_case.partial,
        )


def report_rows() -> Iterator[list[str]]:
    for line in REPORT.read_text().splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]
