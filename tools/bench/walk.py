"""A long walk: every page of a large account, by the cursor, in one process."""

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from tools.bench.contestants import BenchError, Contestant, Contestants, Parameters
from tools.bench.process import Process, count_instructions
from tools.processes import resident_memory
from tools.report import Table, number, progress, ratio
from tools.upstream import Upstream

MODELS = 100_000

_COUNTED = 5
"""Pages whose instructions are counted, near the start and near the end of a walk."""


class _Page(NamedTuple):
    """The request for one page of a walk, its CPU seconds, and the resident memory after it in MB."""

    parameters: Parameters
    cpu: float
    memory: float


def measure(contestants: Contestants, rounds: int) -> list[Table]:
    """Walk with two page sizes; return the table.

    Raises:
        BenchError: a walk lost a model, repeated one, or called Bedrock more often than necessary.
    """
    columns = ["models a page", "pages", "calls of Bedrock"]
    for name in ("instructions, millions", "CPU, ms", "memory, MB"):
        columns += [f"{name}: at the start", "at the end", "×"]
    with Upstream() as upstream:
        rows = [_row(contestants.ours, upstream, items) for items in (1000, 100)]
    title = f"All pages of {MODELS:,} models, by the cursor: every model once, with the fewest calls possible"
    return [Table(title, columns, rows)]


def _row(contestant: Contestant, upstream: Upstream, items: int) -> list[str]:
    progress(f"walk: {MODELS:,} models, {items} a page")
    upstream.load(MODELS)
    with Process(contestant, upstream.http) as process:
        pages = _walk(process, items)
    calls = upstream.load(MODELS).calls
    if calls != -(-MODELS // items):
        raise BenchError(f"A walk over {MODELS:,} models, {items} a page, called Bedrock {calls:,} times.")
    cpu, memory = [page.cpu * 1e3 for page in pages], [page.memory for page in pages]
    tenth = len(pages) // 10
    return [
        *(number(items), number(len(pages)), number(calls)),
        *_compared(*_instructions(contestant, upstream, pages)),
        *_compared(median(cpu[:tenth]), median(cpu[-tenth:])),
        *_compared(median(memory[:tenth]), median(memory[-tenth:])),
    ]


def _compared(start: float, end: float) -> tuple[str, str, str]:
    return number(start, 1), number(end, 1), ratio(end, start)


def _walk(process: Process, items: int) -> list[_Page]:
    pages: list[_Page] = []
    seen: list[str] = []
    parameters: Parameters | None = {"maxItems": items}
    while parameters:
        result = process.request(parameters)
        pages.append(_Page(parameters, result.cpu, resident_memory(process.pid)))
        seen += [model["modelArn"] for model in result.body["modelSummaries"]]
        cursor = result.body.get("nextCursor")
        parameters = {"maxItems": items, "cursor": cursor} if cursor else None
    if len(seen) != MODELS or len(set(seen)) != MODELS:
        raise BenchError(f"A walk over {MODELS:,} models saw {len(seen):,}, {len(set(seen)):,} of them different.")
    return pages


def _instructions(contestant: Contestant, upstream: Upstream, pages: Sequence[_Page]) -> tuple[float, float]:
    """Return the instructions in millions near the start and near the end. Omits the last page: it has no cursor."""
    warm_up, first, last = pages[1:4], pages[4 : 4 + _COUNTED], pages[-1 - _COUNTED : -1]
    steps = [partial(Process.request, parameters=page.parameters) for page in (*warm_up, *first, *last)]
    counts = [count / 1e6 for count in count_instructions(contestant, upstream.http, steps)[len(warm_up) :]]
    return median(counts[:_COUNTED]), median(counts[_COUNTED:])
