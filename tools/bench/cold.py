"""The cold start: from the import of the handler to its first answer, over TLS."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tools.bench.contestants import Contestant, Contestants
from tools.bench.processes import (
    FileCalls,
    Process,
    Usage,
    count_file_calls,
    count_instructions,
    has,
    interleaved,
    progress,
    require_bytecode,
    two_at_a_time,
)
from tools.bench.report import Table, ratio
from tools.bench.upstream import Endpoint, Upstream, newest

MODELS = 10


@dataclass(frozen=True)
class Start:
    """What one contestant's start costs, in seconds; less an empty interpreter, all but the last two."""

    name: str
    instructions: int | None
    usage: Usage
    files: FileCalls | None
    megabytes: float
    bundled: int


def measure(contestants: Contestants, rounds: int) -> list[Start]:
    """Measure all starts; the first is boto3's, which the others are measured against."""
    measured = [*contestants.handlers, contestants.trusting, contestants.uncompiled]
    with Upstream() as upstream:
        upstream.load(MODELS)
        starts = [_Start(contestant, upstream.over_tls(contestant.roots)) for contestant in measured]
        for start in starts[:-1]:
            require_bytecode(*start)
        counts: Sequence[int | None] = [None] * len(starts)
        if has("valgrind"):
            progress("cold: instructions")
            counts = two_at_a_time(lambda start: count_instructions(*start, [_first_answer])[0], starts)
        progress(f"cold: CPU and wall time, {rounds} rounds")
        nothing = _Start(contestants.nothing, upstream.http)
        usages = _usages([nothing, *starts], rounds)
        files: Sequence[FileCalls | None] = [None] * len(starts)
        if has("strace"):
            progress("cold: file calls")
            empty = count_file_calls(*nothing, [])
            files = [count_file_calls(*start, [_first_answer]).less(empty) for start in starts]
    return [
        Start(contestant.name, count, usage, file, *_size(contestant.bundle))
        for contestant, count, usage, file in zip(measured, counts, usages, files, strict=True)
    ]


class _Start(NamedTuple):
    contestant: Contestant
    endpoint: Endpoint


def _first_answer(process: Process) -> None:
    process.listing(MODELS, newest(MODELS, MODELS))


def _usages(starts: Sequence[_Start], rounds: int) -> list[Usage]:
    """Return the medians of each but the first, less the first's."""
    rows = interleaved([partial(_usage, start) for start in starts], rounds)
    empty, *medians = [
        Usage(median(usage.cpu for usage in usages), median(usage.wall for usage in usages)) for usages in rows
    ]
    return [Usage(usage.cpu - empty.cpu, usage.wall - empty.wall) for usage in medians]


def _usage(start: _Start) -> Usage:
    with Process(*start) as process:
        if start.contestant.target:
            _first_answer(process)
        return process.end()


def _size(bundle: Path) -> tuple[float, int]:
    sizes = [path.stat().st_size for path in bundle.rglob("*") if path.is_file()]
    return sum(sizes) / 1e6, len(sizes)


def tables(starts: Sequence[Start]) -> list[Table]:
    """Return the tables of time and of files."""
    base = starts[0]
    times = Table(
        f"Cold start: import of the handler to the first answer over TLS, {MODELS} models; boto3 = 1.00",
        ["", "instructions, millions", "×", "CPU, ms", "×", "wall, ms", "×"],
        [[start.name, *_instructions(start, base), *_times(start, base)] for start in starts],
    )
    files = Table(
        "Files: what the same start asks of the file system, and the bundle unzipped",
        ["", "files opened", "lookups (stat)", "MB read", "bundle, MB", "bundle, files"],
        [[start.name, *_files(start.files), f"{start.megabytes:.1f}", f"{start.bundled:,}"] for start in starts],
    )
    return [times, files]


def _instructions(start: Start, base: Start) -> tuple[str, str]:
    if start.instructions is None or base.instructions is None:
        return "–", "–"
    return f"{start.instructions / 1e6:,.0f}", ratio(start.instructions, base.instructions)


def _times(start: Start, base: Start) -> tuple[str, str, str, str]:
    cpu, wall = start.usage.cpu, start.usage.wall
    return (
        *(f"{cpu * 1e3:.0f}", ratio(cpu, base.usage.cpu)),
        *(f"{wall * 1e3:.0f}", ratio(wall, base.usage.wall)),
    )


def _files(files: FileCalls | None) -> tuple[str, str, str]:
    if files is None:
        return "–", "–", "–"
    return f"{files.opened:,}", f"{files.looked_up:,}", f"{files.read / 1e6:.1f}"
