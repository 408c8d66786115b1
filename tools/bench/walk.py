"""A long walk: every page of a large account, by the cursor, in one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from tools.bench.contestants import BenchError, Contestant, Contestants, Parameters
from tools.bench.processes import Process, count_instructions, has, progress
from tools.bench.report import Table, ratio
from tools.bench.upstream import Upstream

MODELS = 100_000
ITEMS = (1000, 100)

_WALKS = 5
_COUNTED = 5
"""Pages of which instructions are counted, near the start and near the end of a walk."""


@dataclass(frozen=True)
class Walk:
    """A walk with so many models a page.

    ``cpu`` are seconds and ``memory`` megabytes of each page, medians of some walks; ``instructions`` are
    those of a page near the start and of one near the end, None where they are not counted.
    """

    items: int
    cpu: Sequence[float]
    memory: Sequence[float]
    calls: int
    instructions: tuple[float, float] | None


@dataclass(frozen=True)
class _Step:
    """One page of one walk."""

    parameters: Parameters
    cpu: float
    memory: float


def measure(contestants: Contestants) -> list[Walk]:
    """Walk with each size of page.

    Raises:
        BenchError: a walk lost a model, saw one twice, or asked Bedrock more often than it must.
    """
    counted = has("valgrind")
    with Upstream() as upstream:
        return [_measure(contestants.ours, upstream, items, counted=counted) for items in ITEMS]


def _measure(contestant: Contestant, upstream: Upstream, items: int, *, counted: bool) -> Walk:
    progress(f"walk: {MODELS:,} models, {items} a page")
    upstream.load(MODELS)
    walks = []
    for _ in range(_WALKS):
        with Process(contestant, upstream.http) as process:
            walks.append(_walk(process, items))
    pages, calls = len(walks[0]), upstream.load(MODELS)
    if calls != _WALKS * -(-MODELS // items):
        raise BenchError(f"{_WALKS} walks over {MODELS:,} models, {items} a page, asked Bedrock {calls:,} times.")
    return Walk(
        items,
        [median(walk[page].cpu for walk in walks) for page in range(pages)],
        [median(walk[page].memory for walk in walks) for page in range(pages)],
        calls // _WALKS,
        _instructions(contestant, upstream, walks[0]) if counted else None,
    )


def _walk(process: Process, items: int) -> list[_Step]:
    steps: list[_Step] = []
    seen: list[str] = []
    parameters: Parameters = {"maxItems": items}
    while True:
        answer = process.ask(parameters)
        steps.append(_Step(parameters, answer.cpu, process.memory("VmRSS")))
        seen += [model["modelArn"] for model in answer.body["modelSummaries"]]
        if "nextCursor" not in answer.body:
            break
        parameters = {"maxItems": items, "cursor": answer.body["nextCursor"]}
    if len(seen) != MODELS or len(set(seen)) != MODELS:
        raise BenchError(f"A walk over {MODELS:,} models saw {len(seen):,}, {len(set(seen)):,} of them different.")
    return steps


def _instructions(contestant: Contestant, upstream: Upstream, steps: Sequence[_Step]) -> tuple[float, float]:
    """Return the instructions of a page near the start and of one near the end; not the last, which has no cursor."""
    warming, first, last = steps[1:4], steps[4 : 4 + _COUNTED], steps[-1 - _COUNTED : -1]
    questions = [partial(Process.ask, parameters=step.parameters) for step in (*warming, *first, *last)]
    counts = count_instructions(contestant, upstream.http, questions)[len(warming) :]
    return median(counts[:_COUNTED]), median(counts[_COUNTED:])


def tables(walks: Sequence[Walk]) -> list[Table]:
    """Return the table."""
    cells = [
        [
            *(f"{walk.items:,}", f"{len(walk.cpu):,}", f"{walk.calls:,}"),
            *([f"{count / 1e6:.1f}" for count in walk.instructions] if walk.instructions else ["–", "–"]),
            ratio(*reversed(walk.instructions)) if walk.instructions else "–",
            *_tenths([seconds * 1e3 for seconds in walk.cpu]),
            *_tenths(walk.memory),
        ]
        for walk in walks
    ]
    names = ["models a page", "pages", "calls of Bedrock"]
    for name in ("instructions, millions", "CPU, ms", "memory, MB"):
        names += [f"{name}: at the start", "at the end", "×"]
    return [
        Table(
            f"A walk over {MODELS:,} models by the cursor: every model once, with the fewest calls possible",
            names,
            cells,
        )
    ]


def _tenths(values: Sequence[float]) -> list[str]:
    """Return the medians of the first and of the last tenth, and their ratio."""
    size = len(values) // 10
    first, last = median(values[:size]), median(values[-size:])
    return [f"{first:.1f}", f"{last:.1f}", ratio(last, first)]
