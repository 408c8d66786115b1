"""Measured processes, and what is measured of them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import nan
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from emulators.lambda_runtime import lambda_environment
from tools.bench.contestants import BenchError, Contestant, Parameters, interpreter
from tools.processes import function_settings
from tools.upstream import Variables

_ISOLATED = ("-P", "-S", "-s", "-B")
"""Python options: do not import this machine's packages or write bytecode. Not -I: it would ignore PYTHONHASHSEED."""

_VALGRIND = ("valgrind", "--quiet", "--tool=callgrind", "--dump-before=getloadavg")
"""Counts instructions. Each call of getloadavg starts a new count: see ``mark`` in invoke.py."""

_SETTINGS = {
    "HOME": "/nowhere",  # otherwise boto3 would look for the user's own settings
    "POWERTOOLS_METRICS_NAMESPACE": "Bench",
    "POWERTOOLS_SERVICE_NAME": "custom-models-bench",
    "PYTHONHASHSEED": "0",
}

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Result:
    """The body of a handler's last response, and the CPU and wall seconds of one request."""

    body: Any
    cpu: float
    wall: float


class Process:
    """A contestant in its own process, with Lambda's environment variables only; it ends with the ``with`` block."""

    cpu: float
    wall: float
    """The seconds that the whole process took; set when it has ended."""

    def __init__(self, contestant: Contestant, variables: Variables, wrapper: Sequence[str] = ()) -> None:
        """Start it with these variables too; ``wrapper`` is a command that starts and observes it."""
        self._contestant = contestant
        results, child = os.pipe()
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(*wrapper, interpreter(), *_ISOLATED, str(Path(__file__).with_name("invoke.py"))),
                *(str(contestant.bundle), contestant.target, str(child)),
            ],
            cwd=contestant.bundle,
            env=lambda_environment(contestant.bundle, **function_settings(variables), **_SETTINGS),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[child],
        )
        os.close(child)
        self._results = os.fdopen(results, "rb")
        self.pid = self._process.pid

    def request(self, parameters: Parameters, times: int = 1) -> Result:
        """Send the same request for a listing a number of times.

        Raises:
            BenchError: the handler failed.
        """
        assert self._process.stdin is not None
        # A process that has ended wrote its traceback to standard error, and there is no result to read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([times, self._contestant.event(parameters)]).encode() + b"\n")
            self._process.stdin.flush()
        head = self._results.readline().split()
        if not head:
            raise BenchError(f"{self._contestant.name} did not respond to {dict(parameters)}.")
        cpu, wall, length = float(head[0]), float(head[1]), int(head[2])
        return Result(json.loads(self._results.read(length)), cpu / times, wall / times)

    def request_page(self, expected: Sequence[str], times: int = 1) -> Result:
        """Request a page of the newest models, whose ARNs are ``expected``, a number of times.

        Raises:
            BenchError: the handler failed, or returned other models or another order.
        """
        result = self.request({"maxItems": len(expected)}, times)
        if [model["modelArn"] for model in result.body["modelSummaries"]] != list(expected):
            raise BenchError(f"{self._contestant.name} did not return the {len(expected)} newest models.")
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        _, status, used = os.wait4(self._process.pid, 0)
        self.cpu, self.wall = used.ru_utime + used.ru_stime, time.perf_counter() - self._started
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._results.close()


Step: TypeAlias = Callable[[Process], object]
"""Sends one or more requests to a process."""


def two_at_a_time(measure: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Return the measure of each item. Only for figures that do not depend on the machine's load."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(measure, items))


def interleaved(measures: Sequence[Callable[[], _R]], rounds: int) -> list[list[_R]]:
    """Take every measure once per round, in alternating order; return the values of each."""
    values: list[list[_R]] = [[] for _ in measures]
    order = list(enumerate(measures))
    for _ in range(rounds):
        for index, measure in order:
            values[index].append(measure())
        order.reverse()
    return values


def count_instructions(contestant: Contestant, variables: Variables, steps: Sequence[Step]) -> list[float]:
    """Return the instructions of each step; NaN without valgrind. The first step includes the handler's import.

    Each step must send one request, or one request a number of times.

    Raises:
        BenchError: callgrind did not count every step.
    """
    if shutil.which("valgrind") is None:
        return [nan] * len(steps)
    with tempfile.TemporaryDirectory() as folder:
        with Process(contestant, variables, [*_VALGRIND, f"--callgrind-out-file={folder}/part"]) as process:
            for step in steps:
                step(process)
        counts: dict[int, int] = {}
        for path in Path(folder).glob("part.*"):
            match = re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)
            assert match is not None
            counts[int(path.suffix[1:])] = int(match[1])
    # The parts: the start of the interpreter, then a request and the writing of its result in turn.
    requests = [float(counts[part]) for part in sorted(counts)][1::2]
    if len(requests) < len(steps):
        raise BenchError(f"valgrind's callgrind counted {len(requests)} of {len(steps)} requests.")
    return requests[: len(steps)]
