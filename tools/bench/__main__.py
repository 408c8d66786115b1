"""``python -m tools.bench``: what the built bundle costs, beside peers, on this machine."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tools.bench import cold, memory, plots, report, walk, warm
from tools.bench.contestants import BenchError, Contestants, build
from tools.bench.processes import progress

SECTIONS = ("cold", "warm", "memory", "walk")

_BUNDLES = Path(__file__).resolve().parents[2] / ".cache" / "bench"


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    sections = options.sections or SECTIONS
    try:
        if not sys.platform.startswith("linux"):
            raise BenchError("This needs Linux, which tells in /proc what a process holds.")
        progress("the bundles")
        contestants = build(_BUNDLES)
        for section in sections:
            tables, draw = _measure(section, contestants, options.rounds)
            print("\n\n".join(map(str, tables)), end="\n\n", flush=True)
            if options.report:
                report.write(section, tables)
                draw()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure the function's built bundle beside peers: all in one run, by turns. Takes some minutes.",
    )
    parser.add_argument(
        "sections", nargs="*", type=_section, metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all if none is named"
    )
    parser.add_argument(
        "--rounds", type=_rounds, default=11, help="how often a time is taken, for the median of it (default: 11)"
    )
    parser.add_argument("--report", action="store_true", help="write tables and pictures into docs/performance.md")
    return parser


def _section(name: str) -> str:
    # Not by `choices`, which refuses to have none of them.
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SECTIONS)}")
    return name


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _measure(section: str, contestants: Contestants, rounds: int) -> tuple[Sequence[report.Table], Callable[[], None]]:
    """Return a section's tables, and what draws its picture."""
    match section:
        case "cold":
            starts = cold.measure(contestants, rounds)
            return cold.tables(starts), partial(plots.cold, starts)
        case "warm":
            costs = warm.measure(contestants, rounds)
            return warm.tables(costs), partial(plots.warm, costs)
        case "memory":
            return memory.tables(memory.measure(contestants)), lambda: None
        case _:
            walks = walk.measure(contestants)
            return walk.tables(walks), partial(plots.walk, walks)


if __name__ == "__main__":
    sys.exit(main())
