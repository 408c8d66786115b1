"""The warm path: CPU of a request in a process that has answered before, against boto3's bare call of the same page.

Over plain HTTP: TLS would add the same to all, and so hide what differs.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median

from tools.bench.contestants import Contestant, Contestants
from tools.bench.processes import Process, Question, count_instructions, has, interleaved, progress, two_at_a_time
from tools.bench.report import Table, ratio
from tools.bench.upstream import Upstream, newest

ITEMS = (10, 100, 1000)

_LARGER = 1500
"""Models of the account whose first page has a successor, whatever its size."""

_TIMED = {10: 10, 100: 3, 1000: 1}
"""Requests of one timing, by the models of a page: some milliseconds, so that the turns are short."""

_COUNTED = {10: 10, 100: 5, 1000: 2}
"""Requests of one count of instructions: under callgrind each takes fifty times as long."""


@dataclass(frozen=True)
class Kind:
    """One page: how many models it holds, and how many the account has."""

    items: int
    models: int

    @property
    def last(self) -> bool:
        """Whether it is the account's only page."""
        return self.items == self.models


KINDS = [Kind(items, items) for items in ITEMS] + [Kind(items, _LARGER) for items in ITEMS]


@dataclass(frozen=True)
class Cost:
    """What a request costs one contestant, by the kind of page: CPU seconds, and instructions where counted."""

    name: str
    cpu: dict[Kind, float]
    instructions: dict[Kind, float] | None


def measure(contestants: Contestants, rounds: int) -> list[Cost]:
    """Measure all; the first is the bare call, which the others are measured against."""
    measured = [contestants.call, *contestants.handlers, contestants.direct]
    counts: Sequence[dict[Kind, float] | None] = [None] * len(measured)
    if has("valgrind"):
        progress("warm: instructions")
        counts = two_at_a_time(_instructions, measured)
    cpu = _cpu(measured, 3 * rounds)
    return [
        Cost(contestant.name, {kind: medians[index] for kind, medians in cpu.items()}, count)
        for index, (contestant, count) in enumerate(zip(measured, counts, strict=True))
    ]


def _cpu(contestants: Sequence[Contestant], rounds: int) -> dict[Kind, list[float]]:
    medians: dict[Kind, list[float]] = {}
    with Upstream() as upstream, ExitStack() as stack:
        processes = [stack.enter_context(Process(contestant, upstream.http)) for contestant in contestants]
        for kind in KINDS:
            progress(f"warm: CPU, {kind.items} of {kind.models} models, {rounds} rounds")
            upstream.load(kind.models)
            ask = partial(Process.listing, items=kind.items, expected=newest(kind.items, kind.models))
            for process in processes:
                ask(process, times=3)
            rows = interleaved([partial(ask, process, times=_TIMED[kind.items]) for process in processes], rounds)
            medians[kind] = [median(answer.cpu for answer in answers) for answers in rows]
    return medians


def _instructions(contestant: Contestant) -> dict[Kind, float]:
    with Upstream() as upstream:
        # Each kind of page is asked for twice: to be warm for it, and to count.
        counts = count_instructions(contestant, upstream.http, list(_questions(upstream)))[1::2]
    return {kind: count / _COUNTED[kind.items] for kind, count in zip(KINDS, counts, strict=True)}


def _questions(upstream: Upstream) -> Iterator[Question]:
    for kind in KINDS:
        ask = partial(Process.listing, items=kind.items, expected=newest(kind.items, kind.models))
        yield partial(_load_and_ask, upstream, kind.models, ask)
        yield partial(ask, times=_COUNTED[kind.items])


def _load_and_ask(upstream: Upstream, models: int, ask: Question, process: Process) -> None:
    upstream.load(models)
    ask(process)


def tables(costs: Sequence[Cost]) -> list[Table]:
    """Return the tables of CPU time and of instructions."""
    base = costs[0]
    made = [
        Table(
            "Warm request: CPU, ms, over plain HTTP; the bare call of the same page = 1.00",
            _columns(),
            [
                [
                    cost.name,
                    *(f"{cost.cpu[kind] * 1e3:.2f} ({ratio(cost.cpu[kind], base.cpu[kind])})" for kind in KINDS),
                ]
                for cost in costs
            ],
        )
    ]
    if base.instructions is not None:
        made.append(
            Table(
                "Warm request: instructions, millions; the bare call of the same page = 1.00",
                _columns(),
                [[cost.name, *_counted(cost.instructions or {}, base.instructions)] for cost in costs],
            )
        )
    return made


def _columns() -> list[str]:
    return ["", *(f"{kind.items} {'' if kind.last else 'of ' + str(kind.models)}".strip() for kind in KINDS)]


def _counted(counts: dict[Kind, float], base: dict[Kind, float]) -> list[str]:
    return [f"{counts[kind] / 1e6:.1f} ({ratio(counts[kind], base[kind])})" for kind in KINDS]
