"""``python -m tools.soak``: some minutes of load; fails if a model was lost or repeated, or memory grows."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from infra.bundling import bundle
from tools.report import Table, number, progress
from tools.soak.servers import Server, containers, local_server
from tools.soak.walks import MODELS, Walk, Walks
from tools.upstream import FAULT_PROBLEMS, Counts, Trouble, Upstream, Variables

_CONTAINERS = 4
_MAX_GROWTH = 2.0
"""MB that a process may grow by in the second half of its requests: more than an allocator needs."""

_CONCURRENCY = 8
"""Concurrent walks while memory is measured."""

Start: TypeAlias = Callable[[Variables, Path], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Environment:
    """One way to run the function, and the faults that the emulator of Bedrock injects.

    A burst of faults is so long that all three attempts of most concurrent requests fail.
    """

    name: str
    start: Start
    trouble: Trouble


def environments(bundled: Path, walks: int) -> tuple[Environment, Environment]:
    """Return the local server, and some containers of the bundle, for this many concurrent walks."""
    start = partial(containers, bundled, _CONTAINERS)
    return (
        Environment("local server", local_server, Trouble(0.05, walks // 2, 3 * walks)),
        # Shorter bursts: fewer requests are concurrent, and a walk waits while others are retried.
        Environment(f"bundle, {_CONTAINERS} containers", start, Trouble(0.02, 20, 1000)),
    )


class Result(NamedTuple):
    """A row of a table, and the violations."""

    row: Sequence[str]
    violations: Sequence[str]


class Soak:
    """The load tests of one seed, with one Bedrock."""

    def __init__(self, seed: int, upstream: Upstream) -> None:
        self._seed = seed
        self._upstream = upstream
        self._walks = Walks(seed)

    def walk(self, environment: Environment, count: int, *, faults: bool) -> Result:
        """Run this many walks concurrently, with or without faults of Bedrock."""
        with self._serving(environment, environment.trouble if faults else Trouble()) as server:
            start = time.monotonic()
            walks = list(self._run(server, range(count), count))
            seconds = time.monotonic() - start
            counts, outcomes = self._load(Trouble()), _outcomes(walks)
            failed = ", ".join(f"{outcome} {times:,}" for outcome, times in sorted(outcomes.items()) if outcome != "ok")
            figures = count, outcomes.total(), outcomes.total() / seconds, counts.calls, counts.faults
            row = [environment.name, "faults" if faults else "no faults", *map(number, figures), failed]
            return Result(row, [*_wrong(walks), *_mismatches(server, outcomes, counts)])

    def measure_memory(self, environment: Environment, requests: int) -> Result:
        """Send this many requests to one process, and check that its memory does not grow."""
        with self._serving(environment, Trouble(0.002)) as server:
            walks: list[Walk] = []
            sizes: list[float] = []
            sent = 0
            # The first twentieth is the warm-up.
            for end in (requests // 20, requests // 2, requests):
                while sent < end:
                    numbers = range(len(walks), len(walks) + 5 * _CONCURRENCY)
                    batch = list(self._run(server, numbers, _CONCURRENCY))
                    walks += batch
                    sent += _outcomes(batch).total()
                sizes.append(server.memory())
                progress(f"{environment.name}: {sent:,} requests, {sizes[-1]:.1f} MB")
            violations = [*_wrong(walks), *_mismatches(server, _outcomes(walks), self._load(Trouble()))]
            if (growth := sizes[-1] - sizes[-2]) > _MAX_GROWTH:
                violations.append(f"memory grew by {growth:.1f} MB in the second half of {requests:,} requests")
            return Result([environment.name, number(sent), *(number(size, 1) for size in sizes)], violations)

    def _load(self, trouble: Trouble) -> Counts:
        return self._upstream.load(MODELS, self._seed, trouble)

    @contextmanager
    def _serving(self, environment: Environment, trouble: Trouble) -> Iterator[Server]:
        with tempfile.TemporaryDirectory() as folder, environment.start(self._upstream.http, Path(folder)) as server:
            self._load(trouble)
            yield server

    def _run(self, server: Server, numbers: range, concurrency: int) -> Iterator[Walk]:
        with ThreadPoolExecutor(concurrency) as pool:
            futures = [pool.submit(self._walks.walk, server.send, number) for number in numbers]
            for done, future in enumerate(as_completed(futures), 1):
                yield future.result()
                if done % 100 == 0:
                    progress(f"{done:,} walks")


def _outcomes(walks: Sequence[Walk]) -> Counter[str]:
    return sum((walk.outcomes for walk in walks), Counter[str]())


def _wrong(walks: Sequence[Walk]) -> list[str]:
    return [f"walk {walk.number}: {walk.wrong}" for walk in walks if walk.wrong is not None]


def _mismatches(server: Server, outcomes: Counter[str], counts: Counts) -> Iterator[str]:
    """Yield the differences between what clients received, the log, and what Bedrock received.

    Each fault of Bedrock must cause one retry or end one request. Nothing else may do so.
    """
    yield from server.unexpected()
    logged = list(server.requests())
    logged_outcomes = Counter(line["outcome"] for line in logged)
    if logged_outcomes != outcomes:
        yield f"clients received {dict(outcomes)}, and the log has {dict(logged_outcomes)}"
    attempts = sum(line["upstream_pages"] + line["upstream_retries"] for line in logged)
    if attempts != counts.calls:
        yield f"the log has {attempts:,} calls, and Bedrock received {counts.calls:,}"
    failed = sum(
        line["upstream_retries"] + (line.get("stop_reason", line["outcome"]) in FAULT_PROBLEMS) for line in logged
    )
    if failed != counts.faults:
        yield f"the log has {failed:,} failed calls, and Bedrock failed {counts.faults:,}"
    if counts.invalid:
        yield f"{counts.invalid:,} calls to Bedrock were not valid"


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    if not sys.platform.startswith("linux"):
        print("soak: skipped: Lambda's runtime client needs Linux", file=sys.stderr)
        return 0
    arguments = f"--walks {options.walks} --requests {options.requests} --seed {options.seed}"
    progress(f"soak: {arguments}")
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        bundle(Path(folder))
        soak = Soak(options.seed, upstream)
        local, bundled = environments(Path(folder), options.walks)
        single = Environment("bundle, 1 container", partial(containers, Path(folder), 1), Trouble())
        walks = [soak.walk(it, options.walks, faults=faults) for it in (local, bundled) for faults in (False, True)]
        memory = [soak.measure_memory(it, options.requests) for it in (local, single)]
    columns = ["", "Bedrock", "walks", "requests", "per second", "calls", "faults", "not ok"]
    print(Table("Concurrent walks", columns, [result.row for result in walks], (0, 1, 7)), end="\n\n")
    columns = ["", "requests", "start", "middle", "end"]
    print(Table("Resident memory, MB", columns, [result.row for result in memory]))
    violations = [text for result in (*walks, *memory) for text in result.violations]
    for text in violations[:50]:
        print(f"soak: {text[:1000]}", file=sys.stderr)
    if violations:
        print(f"soak: {len(violations)} violations; repeat with: python -m tools.soak {arguments}", file=sys.stderr)
    return bool(violations)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak",
        description="Load the local server and the built bundle for some minutes. The same seed makes the same walks, "
        "but timing decides which of their requests fail.",
    )
    parser.add_argument("--walks", type=int, default=1000, help="number of concurrent walks (default: 1000)")
    parser.add_argument("--requests", type=int, default=50_000, help="requests per memory test (default: 50000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: a random one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
