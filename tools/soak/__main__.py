"""``python -m tools.soak``: minutes of load, and whether anything was lost, came twice, failed or leaked."""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from infra.bundling import bundle
from tools.soak.servers import Containers, LocalServer, Server
from tools.soak.upstream import CAUSED, Account, Trouble, Upstream
from tools.soak.walks import Walk, Walks

_CONTAINERS = 4
_LEAK = 2.0
"""MB that a process may grow by in the second half of its requests: what an allocator does is less."""

_SIDE_BY_SIDE = 8
"""Walks at once where memory is what counts."""

Start: TypeAlias = Callable[[str, Path], Server]


@dataclass(frozen=True)
class Way:
    """One way to the function, and the trouble that its Bedrock makes.

    Trouble comes in spells that outlast botocore's three attempts at most of the requests at hand.
    """

    name: str
    start: Start
    trouble: Trouble


@dataclass(frozen=True)
class Result:
    """What one part came to: a row of the table, and what was wrong."""

    row: Sequence[str]
    wrong: Sequence[str]


class Soak:
    """All of it."""

    def __init__(self, seed: int, upstream: Upstream) -> None:
        """Take the seed of everything, and the Bedrock."""
        self._upstream = upstream
        self._walks = Walks(seed)

    def walk(self, way: Way, count: int, *, troubled: bool) -> Result:
        """Go so many walks at once."""
        with self._serving(way, way.trouble if troubled else Trouble()) as server:
            start = time.monotonic()
            walks = list(self._go(server, range(count), count))
            seconds = time.monotonic() - start
            account = self._upstream.make(Trouble())
            kinds = _kinds(walks)
            row = [
                *(way.name, "troubled" if troubled else "well", f"{count:,}", f"{kinds.total():,}"),
                *(f"{kinds.total() / seconds:.0f}", f"{account.calls:,}", f"{sum(account.faults.values()):,}"),
                ", ".join(f"{kind} {number:,}" for kind, number in sorted(kinds.items()) if kind != "ok"),
            ]
            return Result(row, [*_wrong(walks), *_unaccounted(server, kinds, account)])

    def endure(self, way: Way, requests: int) -> Result:
        """Have one process answer so many requests, and see that its memory stays as it is."""
        with self._serving(way, Trouble(share=0.002)) as server:
            walks: list[Walk] = []
            sizes: list[float] = []
            answered = 0
            # The first twentieth is for warming up.
            for mark in (requests // 20, *(requests // 20 + requests * tenth // 10 for tenth in range(1, 11))):
                while answered < mark:
                    numbers = range(len(walks), len(walks) + 5 * _SIDE_BY_SIDE)
                    batch = list(self._go(server, numbers, _SIDE_BY_SIDE))
                    walks += batch
                    answered += _kinds(batch).total()
                sizes.append(server.memory())
                progress(f"{way.name}: {answered:,} requests, {sizes[-1]:.1f} MB")
            start, middle, end = sizes[0], sizes[5], sizes[-1]
            wrong = [*_wrong(walks), *_unaccounted(server, _kinds(walks), self._upstream.make(Trouble()))]
            if end - middle > _LEAK:
                wrong.append(f"memory grew by {end - middle:.1f} MB over the second half of {requests:,} requests")
            row = [way.name, f"{answered:,}", *(f"{size:.1f}" for size in (start, middle, end))]
            return Result(row, wrong)

    @contextmanager
    def _serving(self, way: Way, trouble: Trouble) -> Iterator[Server]:
        with tempfile.TemporaryDirectory() as folder:
            server = way.start(self._upstream.url, Path(folder))
            try:
                self._upstream.make(trouble)
                yield server
            finally:
                server.close()

    def _go(self, server: Server, numbers: range, at_once: int) -> Iterator[Walk]:
        def go(number: int) -> Walk:
            with server.connect() as ask:
                return self._walks.walk(number, ask)

        with ThreadPoolExecutor(at_once) as pool:
            for done, walk in enumerate(as_completed([pool.submit(go, number) for number in numbers]), 1):
                yield walk.result()
                if done % 100 == 0:
                    progress(f"{done:,} walks")


def _kinds(walks: Sequence[Walk]) -> Counter[str]:
    return sum((walk.kinds for walk in walks), Counter[str]())


def _wrong(walks: Sequence[Walk]) -> list[str]:
    return [f"walk {walk.number}: {walk.wrong}" for walk in walks if walk.wrong is not None]


def _unaccounted(server: Server, kinds: Counter[str], account: Account) -> Iterator[str]:
    """Yield what clients, the log and Bedrock do not agree about.

    Each fault of Bedrock must have cost one retry or one request its end, and nothing else may have.
    """
    logged = list(server.requests())
    yield from server.complaints()
    outcomes = Counter(line["outcome"] for line in logged)
    if outcomes != kinds:
        yield f"clients were answered {dict(kinds)}, and logged was {dict(outcomes)}"
    attempts = sum(line["upstream_pages"] + line["upstream_retries"] for line in logged)
    if attempts != account.calls:
        yield f"the function tells of {attempts:,} calls, and Bedrock of {account.calls:,}"
    felt = sum(line["upstream_retries"] + (line.get("stop_reason", line["outcome"]) in CAUSED) for line in logged)
    if felt != sum(account.faults.values()):
        yield f"{felt:,} calls failed, and Bedrock's faults were {sum(account.faults.values()):,}"
    if account.refused:
        yield f"{account.refused:,} calls of Bedrock were not valid"


def ways(bundled: Path, walks: int) -> tuple[Way, Way]:
    """Return the two ways for so many walks at once: the local server, and some containers of the bundle."""
    start = partial(Containers, bundled, count=_CONTAINERS)
    return (
        Way("local server", LocalServer, Trouble(0.05, walks // 2, 3 * walks)),
        # Far fewer requests at a time, and a walk waits while others' are retried.
        Way(f"bundle, {_CONTAINERS} containers", start, Trouble(0.02, 20, 1000)),
    )


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    if not sys.platform.startswith("linux"):
        print("soak: left out: Lambda's runtime client is for Linux only", file=sys.stderr)
        return 0
    again = f"--walks {options.walks} --requests {options.requests} --seed {options.seed}"
    progress(again)
    with tempfile.TemporaryDirectory() as folder, Upstream(options.seed) as upstream:
        bundle(Path(folder))
        soak = Soak(options.seed, upstream)
        local, containers = ways(Path(folder), options.walks)
        parts = itertools.product((local, containers), (False, True))
        walked = [soak.walk(way, options.walks, troubled=troubled) for way, troubled in parts]
        one = Way("bundle, one container", partial(Containers, Path(folder), count=1), Trouble())
        endured = [soak.endure(way, options.requests) for way in (local, one)]
    _print(("walks", "Bedrock", "walks", "requests", "a second", "calls", "faults", "not ok"), walked)
    _print(("memory, MB", "requests", "start", "middle", "end"), endured)
    wrong = [text for result in (*walked, *endured) for text in result.wrong]
    for text in wrong[:50]:
        print(f"soak: {text[:1000]}", file=sys.stderr)
    if wrong:
        print(f"soak: {len(wrong)} violations; again with python -m tools.soak {again}", file=sys.stderr)
    return bool(wrong)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak",
        description="Load the local server and the built bundle for some minutes. A seed gives the same walks again; "
        "which of their requests Bedrock fails depends on who comes first.",
    )
    parser.add_argument("--walks", type=int, default=1000, help="how many at once (default: 1000)")
    parser.add_argument("--requests", type=int, default=50_000, help="of one process, for its memory (default: 50000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="another one each time if not given")
    return parser


def progress(text: str) -> None:
    """Say on standard error what goes on now."""
    print(f"soak: {text}", file=sys.stderr, flush=True)


def _print(columns: Sequence[str], results: Sequence[Result]) -> None:
    rows = [columns, *(result.row for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
