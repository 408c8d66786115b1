"""Many accounts and regions in one request, compared with a client per source, as users write it.

Over TLS. Bedrock and STS respond after a tenth of a second.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import NamedTuple

from tools.bench.contestants import BenchError, Contestant, Contestants
from tools.bench.process import Process, Result, interleaved
from tools.processes import cpu_seconds, resident_memory
from tools.report import Table, number, progress, ratio
from tools.upstream import Organization, Upstream

_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1")
_LATENCY = 0.1
_THREADS = 16
_CORE = 0.29
"""The share of a core that a function with 512 MB has."""

_WARM = 5
"""Warm requests of each process."""


@dataclass(frozen=True)
class _Case:
    organization: Organization
    rounds: Callable[[int], int]
    """How often each contestant is started, given ``--rounds``: creating the clients takes a peer long."""


_CASES = (
    _Case(Organization(16, _REGIONS, 10, _LATENCY), lambda rounds: max(1, rounds // 3)),
    # Two models each, because a response has at most 1,000.
    _Case(Organization(100, _REGIONS, 2, _LATENCY), lambda _: 1),
)


class _Usage(NamedTuple):
    """What a request used, in seconds and MB; if it is the first one, what the process used since its start."""

    wall: float
    cpu: float
    memory: float
    calls: float
    """The calls of Bedrock."""
    roles: float
    """The calls of STS."""
    upstream_cpu: float


def measure(contestants: Contestants, rounds: int) -> list[Table]:
    """Measure each organization, cold and warm; return a table for each.

    Raises:
        BenchError: a response did not have every model of every source, in order.
    """
    with Upstream(tls=True) as upstream:
        return [_Measurement(contestants, case, upstream).table(case.rounds(rounds)) for case in _CASES]


class _Measurement:
    """The measurement of one organization."""

    def __init__(self, contestants: Contestants, case: _Case, upstream: Upstream) -> None:
        self._contestants = contestants
        self._organization = case.organization
        self._upstream = upstream
        self._expected = case.organization.arns()
        upstream.load_organization(case.organization)

    def table(self, rounds: int) -> Table:
        organization, all_ = self._organization, self._contestants
        sources = organization.accounts * len(organization.regions)
        progress(f"sources: {sources}, {rounds} rounds")
        measured = [all_.kept_clients, all_.new_clients, all_.ours, all_.amazon_roots]
        usages = interleaved([partial(self._usages, contestant) for contestant in measured], rounds)
        kept, new, ours, amazon_roots = zip(measured, map(_medians, usages), strict=True)
        # All clients are new in the first request.
        rows = [*_rows("cold", 0, (kept, ours, amazon_roots)), *_rows("warm", 1, (kept, new, ours))]
        title = (
            f"{sources} sources ({organization.accounts} accounts × {len(organization.regions)} regions) in one "
            f"request, {organization.models} models each; clients kept between requests = 1.00"
        )
        figures = ["wall, s", "CPU, s", "peak memory, MB"]
        columns = ["", "", *(column for figure in figures for column in (figure, "×"))]
        columns += ["calls of Bedrock", "of STS", "wall ÷ least", f"CPU ÷ {_CORE}, s", "emulators' CPU, s"]
        return Table(title, columns, rows, text_columns=(0, 1))

    def _usages(self, contestant: Contestant) -> tuple[_Usage, _Usage]:
        """Return the usage of the first request of a process, and the medians of those after it."""
        self._upstream.counts()
        started = time.perf_counter()
        variables = self._upstream.over_tls(contestant.bundle / contestant.roots)
        with Process(contestant, {**variables, **self._organization.variables()}) as process:
            result = self._request(contestant, process)
            first = self._usage(process, time.perf_counter() - started, cpu_seconds(process.pid))
            if contestant is self._contestants.new_clients:
                # Every request is as slow as this one, so a single one is enough.
                return first, first._replace(wall=result.wall, cpu=result.cpu)
            results = [self._request(contestant, process) for _ in range(_WARM)]
            wall, cpu = (median(values) for values in zip(*((it.wall, it.cpu) for it in results), strict=True))
            total = self._usage(process, wall, cpu)
        calls, roles, upstream_cpu = (count / _WARM for count in (total.calls, total.roles, total.upstream_cpu))
        return first, total._replace(calls=calls, roles=roles, upstream_cpu=upstream_cpu)

    def _request(self, contestant: Contestant, process: Process) -> Result:
        result = process.request({"maxItems": 1000})
        if [model["modelArn"] for model in result.body["modelSummaries"]] != self._expected:
            raise BenchError(f"{contestant.name} did not return every model of every source, in order.")
        return result

    def _usage(self, process: Process, wall: float, cpu: float) -> _Usage:
        counts = self._upstream.counts()
        return _Usage(wall, cpu, resident_memory(process.pid, peak=True), counts.calls, counts.roles, counts.cpu)


def _medians(usages: Sequence[tuple[_Usage, _Usage]]) -> tuple[_Usage, _Usage]:
    first, later = (_Usage(*map(median, zip(*values, strict=True))) for values in zip(*usages, strict=True))
    return first, later


def _rows(name: str, index: int, measured: Sequence[tuple[Contestant, tuple[_Usage, _Usage]]]) -> list[list[str]]:
    """Return the rows of the first (0) or later (1) requests. The base is the first contestant."""
    base = measured[0][1][index]
    rows = []
    for contestant, usages in measured:
        usage = usages[index]
        least = usage.calls / _THREADS * _LATENCY
        rows.append(
            [
                *(name, contestant.name),
                *(number(usage.wall, 2), ratio(usage.wall, base.wall)),
                *(number(usage.cpu, 2), ratio(usage.cpu, base.cpu)),
                *(number(usage.memory), ratio(usage.memory, base.memory)),
                *(number(usage.calls), number(usage.roles), ratio(usage.wall, least)),
                *(number(usage.cpu / _CORE, 1), number(usage.upstream_cpu, 2)),
            ]
        )
    return rows
