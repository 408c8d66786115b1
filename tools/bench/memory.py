"""Memory: the most that a process ever held."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.bench.contestants import Contestant, Contestants
from tools.bench.processes import Process, progress, two_at_a_time
from tools.bench.report import Table, ratio
from tools.bench.upstream import Upstream, newest

FEW, MANY = 10, 1000
REQUESTS = 200


@dataclass(frozen=True)
class Peak:
    """The most memory in MB: up to the first answer, and up to the last of many large ones."""

    name: str
    first: float
    last: float


def measure(contestants: Contestants) -> list[Peak]:
    """Measure all; the first is boto3, which the others are measured against."""
    progress(f"memory: {REQUESTS} requests for {MANY} models each")
    return two_at_a_time(_peak, contestants.handlers)


def _peak(contestant: Contestant) -> Peak:
    with Upstream() as upstream:
        upstream.load(FEW)
        with Process(contestant, upstream.over_tls(contestant.roots)) as process:
            process.listing(FEW, newest(FEW, FEW))
            first = process.memory("VmHWM")
            upstream.load(MANY)
            process.listing(MANY, newest(MANY, MANY), times=REQUESTS)
            return Peak(contestant.name, first, process.memory("VmHWM"))


def tables(peaks: Sequence[Peak]) -> list[Table]:
    """Return the table."""
    base = peaks[0]
    return [
        Table(
            "Memory: peak of resident memory, MB; boto3 = 1.00",
            ["", f"first answer, {FEW} models", "×", f"{REQUESTS} answers of {MANY:,} models", "×"],
            [
                [
                    *(peak.name, f"{peak.first:.1f}", ratio(peak.first, base.first)),
                    *(f"{peak.last:.1f}", ratio(peak.last, base.last)),
                ]
                for peak in peaks
            ],
        )
    ]
