"""Warm requests: CPU and instructions of a request in a process that has responded before.

The base is boto3's bare call of the same page. They use plain HTTP, because TLS adds the same to all of them.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import NamedTuple

from tools.bench.contestants import Contestant, Contestants
from tools.bench.process import Process, count_instructions, interleaved, two_at_a_time
from tools.processes import resident_memory
from tools.report import Table, number, progress, ratio
from tools.upstream import Upstream, newest

_TIMED = {10: 10, 100: 3, 1000: 1}
"""Requests per timing, by the models per page. A timing takes some milliseconds, so that turns are short."""

_COUNTED = {10: 10, 100: 5, 1000: 2}
"""Requests per count, by the models per page. Few, because callgrind makes each take fifty times as long."""


class _Page(NamedTuple):
    """The number of models on the page, and in the account."""

    items: int
    models: int


_PAGES = [_Page(items, items) for items in _TIMED] + [_Page(items, 1500) for items in _TIMED]
"""The only page of an account, and the first of a larger one, for which the function makes a cursor."""


def measure(contestants: Contestants, rounds: int) -> list[Table]:
    """Measure all contestants; return the tables of CPU time and of instructions."""
    measured = [contestants.call, *contestants.handlers, contestants.direct]
    progress("warm: instructions")
    instructions = two_at_a_time(_instructions, measured)
    return [
        _table("CPU, ms, over plain HTTP, and memory", measured, _cpu(measured, 3 * rounds), 2, "peak memory, MB"),
        _table("instructions, millions", measured, instructions, 1),
    ]


def _cpu(contestants: Sequence[Contestant], rounds: int) -> list[tuple[float, ...]]:
    """Return for each contestant the median CPU time of each page in ms, then the peak memory in MB."""
    columns: list[list[float]] = []
    with Upstream() as upstream, ExitStack() as stack:
        processes = [stack.enter_context(Process(contestant, upstream.http)) for contestant in contestants]
        for page in _PAGES:
            progress(f"warm: CPU, {page.items} of {page.models} models, {rounds} rounds")
            upstream.load(page.models)
            request = partial(Process.request_page, expected=newest(*page))
            for process in processes:
                request(process, times=3)
            rows = interleaved([partial(request, process, times=_TIMED[page.items]) for process in processes], rounds)
            columns.append([median(result.cpu for result in results) * 1e3 for results in rows])
        columns.append([resident_memory(process.pid, peak=True) for process in processes])
    return list(zip(*columns, strict=True))


def _instructions(contestant: Contestant) -> list[float]:
    """Return the instructions of one request for each page, in millions."""
    with Upstream() as upstream:

        def warm_up(page: _Page, process: Process) -> None:
            upstream.load(page.models)
            process.request_page(newest(*page))

        def count(page: _Page, process: Process) -> None:
            process.request_page(newest(*page), _COUNTED[page.items])

        steps = [partial(step, page) for page in _PAGES for step in (warm_up, count)]
        counts = count_instructions(contestant, upstream.http, steps)[1::2]
    return [total / _COUNTED[page.items] / 1e6 for page, total in zip(_PAGES, counts, strict=True)]


def _table(
    what: str, measured: Sequence[Contestant], values: Sequence[Sequence[float]], digits: int, *last: str
) -> Table:
    columns = [str(page.items) if page.items == page.models else f"{page.items} of {page.models}" for page in _PAGES]
    rows = [
        [
            contestant.name,
            *(f"{number(value, digits)} ({ratio(value, base)})" for value, base in zip(row, values[0], strict=True)),
        ]
        for contestant, row in zip(measured, values, strict=True)
    ]
    return Table(f"Warm request: {what}; the bare call of the same page = 1.00", ["", *columns, *last], rows)
