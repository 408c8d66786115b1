"""Measured processes, and what is counted of them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias, TypeVar

from infra.bundling import RUNTIME
from tools.bench.contestants import BenchError, Contestant, Parameters, interpreter
from tools.bench.upstream import Endpoint

_INVOKE = Path(__file__).resolve().parent / "invoke.py"

_ISOLATED = ("-P", "-S", "-s", "-B")
"""Nothing of this machine on the path, and nothing written. Not -I: PYTHONHASHSEED must count, or counts differ."""

_VALGRIND = ("valgrind", "--quiet", "--tool=callgrind", "--dump-before=getloadavg")
"""Counts instructions, anew from each call of that function on: see ``mark`` in invoke.py."""

_STRACE = ("strace", "-f", "-y", "-s0", "-e", "trace=?open,openat,?openat2,%stat,%lstat,%fstat,read,pread64")

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Answer:
    """A handler's last answer to a question, and the CPU seconds of one request."""

    body: Any
    cpu: float


@dataclass(frozen=True)
class Usage:
    """The seconds of a whole process."""

    cpu: float
    wall: float


class Process:
    """A contestant in a process of its own, in Lambda's environment and no other; it ends with the block."""

    def __init__(
        self,
        contestant: Contestant,
        endpoint: Endpoint,
        *,
        wrapper: Sequence[str] = (),
        stderr: IO[bytes] | None = None,
    ) -> None:
        """Start it; ``wrapper`` is a command that starts it and watches."""
        self._contestant = contestant
        self._usage: Usage | None = None
        results, child = os.pipe()
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(*wrapper, interpreter(), *_ISOLATED),
                *(str(_INVOKE), str(contestant.bundle), contestant.target, str(child)),
            ],
            cwd=contestant.bundle,
            env=_environment(contestant, endpoint),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[child],
        )
        os.close(child)
        self._results = os.fdopen(results, "rb")

    def ask(self, parameters: Parameters, times: int = 1) -> Answer:
        """Have it answer so many requests for a listing.

        Raises:
            BenchError: it did not.
        """
        assert self._process.stdin is not None
        # If it has ended, what it said on standard error stands above, and there is no answer to read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([times, self._contestant.event(parameters)]).encode() + b"\n")
            self._process.stdin.flush()
        head = self._results.readline().split()
        if not head:
            raise BenchError(f"{self._contestant.name} gave no answer to {dict(parameters)}.")
        return Answer(json.loads(self._results.read(int(head[1]))), float(head[0]) / times)

    def listing(self, items: int, expected: Sequence[str], times: int = 1) -> Answer:
        """Have it answer so many requests for a page of so many models.

        Raises:
            BenchError: it did not, or not with the models of these ARNs, in this order.
        """
        answer = self.ask({"maxItems": items}, times)
        if [model["modelArn"] for model in answer.body["modelSummaries"]] != list(expected):
            raise BenchError(f"{self._contestant.name} did not answer with the {items} models that there are.")
        return answer

    def memory(self, field: str) -> float:
        """Return a size of its status in MB: VmRSS is what it has now, VmHWM the most that it had."""
        # Not ru_maxrss: a process starts with that of the one which started it.
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
        assert match is not None
        return int(match[1]) * 1024 / 1e6

    def end(self) -> Usage:
        """Let it end, and return what it took in all."""
        if self._usage is None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            _, status, used = os.wait4(self._process.pid, 0)
            self._usage = Usage(used.ru_utime + used.ru_stime, time.perf_counter() - self._started)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._results.close()
        return self._usage

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


Question: TypeAlias = Callable[[Process], object]


def _environment(contestant: Contestant, endpoint: Endpoint) -> dict[str, str]:
    given = {
        "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_BEDROCK": endpoint.url,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{RUNTIME}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "custom-models-bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/custom-models-bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[1]0123456789abcdef0123456789abcdef",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret-access-key-only-1",
        "AWS_SESSION_TOKEN": "an-example-of-a-session-token",
        "CURSOR_KEY": "a-key-of-the-measurements-and-no-others-",
        # Without a home, a client would look for the caller's own settings.
        "HOME": "/nowhere",
        "LAMBDA_TASK_ROOT": str(contestant.bundle),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "POWERTOOLS_METRICS_NAMESPACE": "Bench",
        "POWERTOOLS_SERVICE_NAME": "custom-models-bench",
        "PYTHONHASHSEED": "0",
        "TZ": ":UTC",
    }
    if endpoint.trust is not None:
        given["AWS_CA_BUNDLE"] = str(endpoint.trust)
    # Of this machine: where a Python that was built elsewhere finds its own library.
    own = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**own, **given}


def progress(text: str) -> None:
    """Say on standard error what goes on now."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def has(tool: str) -> bool:
    """Return whether a tool is installed; if not, say what will be missing."""
    found = shutil.which(tool) is not None
    if not found:
        progress(f"{tool} is not installed: what it counts is left out")
    return found


def two_at_a_time(measure: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Return the measure of each; only for what does not depend on who else is at work."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(measure, items))


def interleaved(measures: Sequence[Callable[[], _R]], rounds: int) -> list[list[_R]]:
    """Take every measure once a round, the other way round each time; return the values of each."""
    values: list[list[_R]] = [[] for _ in measures]
    order = list(enumerate(measures))
    for _ in range(rounds):
        for index, measure in order:
            values[index].append(measure())
        order.reverse()
    return values


def require_bytecode(contestant: Contestant, endpoint: Endpoint) -> None:
    """Have it answer once, and see that it compiled none of its modules.

    Raises:
        BenchError: it did.
    """
    with tempfile.TemporaryFile() as log:
        with Process(contestant, endpoint, wrapper=["env", "PYTHONVERBOSE=1"], stderr=log) as process:
            process.ask({"maxItems": 10})
        log.seek(0)
        compiled = re.findall(
            rf"code object from '?({re.escape(str(contestant.bundle))}\S*\.py)'?\n", log.read().decode()
        )
    if compiled:
        raise BenchError(f"The bundle of {contestant.name} has no valid bytecode of {', '.join(compiled)}.")


def count_instructions(contestant: Contestant, endpoint: Endpoint, questions: Iterable[Question]) -> list[int]:
    """Return the instructions of each question; the first one's include the import of the handler.

    Raises:
        BenchError: callgrind did not count.
    """
    with tempfile.TemporaryDirectory() as folder:
        wrapper = [*_VALGRIND, f"--callgrind-out-file={folder}/part"]
        with Process(contestant, endpoint, wrapper=wrapper) as process:
            for question in questions:
                question(process)
        counts: dict[int, int] = {}
        for path in Path(folder).glob("part.*"):
            match = re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)
            assert match is not None
            counts[int(path.suffix[1:])] = int(match[1])
    # The parts: the interpreter's start, then by turns an answer and the writing of it.
    answers = [counts[part] for part in sorted(counts)][1::2]
    if not answers:
        raise BenchError("valgrind's callgrind counted nothing.")
    return answers


@dataclass(frozen=True)
class FileCalls:
    """What a process asked of the file system: files opened, files looked up, and bytes read."""

    opened: int
    looked_up: int
    read: int

    def less(self, other: "FileCalls") -> "FileCalls":
        """Return what is left without the other's."""
        return FileCalls(self.opened - other.opened, self.looked_up - other.looked_up, self.read - other.read)


def count_file_calls(contestant: Contestant, endpoint: Endpoint, questions: Iterable[Question]) -> FileCalls:
    """Return the file calls of a process and all questions."""
    with tempfile.NamedTemporaryFile("r") as log:
        wrapper = [*_STRACE, "-o", log.name]
        with Process(contestant, endpoint, wrapper=wrapper) as process:
            for question in questions:
                question(process)
        return _file_calls(log)


def _file_calls(log: Iterable[str]) -> FileCalls:
    opened = looked_up = read = 0
    for line in log:
        match = re.match(r"\d+ +(\w+)\((.*)\) = (-?\d+)", line)
        if match is None or "/proc/" in line or "/dev/" in line:
            continue
        call, arguments, result = match[1], match[2], int(match[3])
        if call.startswith("open"):
            opened += result >= 0
        elif call in ("read", "pread64"):
            # strace writes a descriptor with its path, which a socket or pipe has not.
            read += result if re.match(r"\d+</", arguments) else 0
        else:
            looked_up += 1
    return FileCalls(opened, looked_up, read)
