"""``python -m tools.bench``: compare the built bundle with its peers, on this machine.

A section is a module with ``measure(contestants, rounds)``, which returns tables.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tools.bench import cold, look_ahead, sources, walk, warm
from tools.bench.contestants import BenchError, build, interpreter
from tools.processes import ROOT
from tools.report import DOCS, progress, write_section

SECTIONS = {
    "cold": cold.measure,
    "warm": warm.measure,
    "walk": walk.measure,
    "sources": sources.measure,
    "look-ahead": look_ahead.measure,
}


def main() -> int:
    """Run the command line; return the exit status."""
    options = _options()
    try:
        if not sys.platform.startswith("linux"):
            raise BenchError("This needs Linux, which shows the memory of processes in /proc.")
        if shutil.which("valgrind") is None:
            progress("valgrind is not installed: instructions are not counted")
        progress("building the bundles")
        contestants = build(ROOT / ".cache" / "bench")
        for section in options.sections or SECTIONS:
            tables = "\n\n".join(map(str, SECTIONS[section](contestants, options.rounds)))
            print(tables, end="\n\n", flush=True)
            if options.report:
                write_section(DOCS / "performance.md", section, f"{tables}\n\n<sub>{_machine()}</sub>")
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Compare the function's bundle with its peers, in turns, in one run: a quarter of an hour.",
    )
    names = ", ".join(SECTIONS)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {names} (default: all)")
    rounds = "how many times each time is measured; the tables show the medians (default: 11)"
    parser.add_argument("--rounds", type=int, default=11, help=rounds)
    parser.add_argument("--report", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args()
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"SECTION must be one of {names}, not {unknown[0]!r}")
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, not {options.rounds}")
    return options


def _machine() -> str:
    """Describe what the figures depend on: processor, system, and versions."""
    code = "import platform, ssl; print(f'Python {platform.python_version()}, {ssl.OPENSSL_VERSION}')"
    commands = [[interpreter(), "-I", "-c", code]]
    if valgrind := shutil.which("valgrind"):
        commands.append([valgrind, "--version"])
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for command in commands]
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"
    kernel = ".".join(platform.release().split(".")[:2])  # the rest names a build
    system = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {kernel}"
    versions = ", ".join(output.strip() for output in outputs)
    return f"{datetime.now(UTC):%Y-%m-%d}, `make bench`: {processor}; {system}; {versions}."


if __name__ == "__main__":
    sys.exit(main())
