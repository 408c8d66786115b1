"""The cold start: from the import of the handler to its first response, over TLS; and the size of the bundle."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tools.bench.contestants import Contestant, Contestants
from tools.bench.process import Process, count_instructions, interleaved, two_at_a_time
from tools.processes import resident_memory
from tools.report import Table, number, progress, ratio
from tools.upstream import Upstream, Variables, newest

MODELS = 10


class _Start(NamedTuple):
    contestant: Contestant
    variables: Variables


def measure(contestants: Contestants, rounds: int) -> list[Table]:
    """Measure all starts, with the bare boto3 handler as the base; return the table."""
    measured = [*contestants.handlers, contestants.amazon_roots, contestants.uncompiled]
    with Upstream(tls=True) as upstream:
        upstream.load(MODELS)
        starts = [
            _Start(contestant, upstream.over_tls(contestant.bundle / contestant.roots)) for contestant in measured
        ]
        progress("cold: instructions")
        instructions = two_at_a_time(lambda start: count_instructions(*start, [_first_request])[0] / 1e6, starts)
        progress(f"cold: CPU time, wall time and memory, {rounds} rounds")
        usages = _usages([_Start(contestants.nothing, upstream.http), *starts], rounds)
    rows = []
    for contestant, *figures in zip(measured, instructions, *zip(*usages, strict=True), strict=True):
        bases = instructions[0], *usages[0]
        cells = [
            cell for figure, base in zip(figures, bases, strict=True) for cell in (number(figure), ratio(figure, base))
        ]
        rows.append([contestant.name, *cells, *_size(contestant.bundle)])
    title = f"Cold start: from the import of the handler to the first response over TLS, {MODELS} models; boto3 = 1.00"
    figures = ["instructions, millions", "CPU, ms", "wall, ms", "peak memory, MB"]
    columns = ["", *(column for figure in figures for column in (figure, "×")), "bundle, MB", "bundle, files"]
    return [Table(title, columns, rows)]


def _first_request(process: Process) -> None:
    process.request_page(newest(MODELS, MODELS))


def _usages(starts: Sequence[_Start], rounds: int) -> list[list[float]]:
    """Return the medians of each start, minus those of the first one, which only starts an empty interpreter."""
    values = interleaved([partial(_usage, start) for start in starts], rounds)
    empty, *medians = [[median(figures) for figures in zip(*usages, strict=True)] for usages in values]
    return [[figure - base for figure, base in zip(figures, empty, strict=True)] for figures in medians]


def _usage(start: _Start) -> tuple[float, float, float]:
    """Return CPU and wall time in ms, and the peak memory in MB."""
    peak = 0.0
    with Process(*start) as process:
        if start.contestant.target:
            _first_request(process)
            peak = resident_memory(process.pid, peak=True)
    return process.cpu * 1e3, process.wall * 1e3, peak


def _size(bundle: Path) -> tuple[str, str]:
    sizes = [path.stat().st_size for path in bundle.rglob("*") if path.is_file()]
    return number(sum(sizes) / 1e6, 1), number(len(sizes))
