"""The Bedrock of the soak: the project's emulator in a process of its own.

``python -m tools.soak.upstream SEED`` is that process: it writes its URL as a line, answers each line of
its standard input, the trouble to make from now on, with what it did since the last, and ends with its
standard input.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from emulators import bedrock, faults
from emulators.bedrock import Emulator
from emulators.faults import Fault, Parameters
from emulators.models import Model, plausible_models
from emulators.server import Response, serve

ROOT = Path(__file__).resolve().parents[2]
MODELS = 400

_FAULTS: Mapping[str, tuple[str, Fault]] = {
    "throttle": ("upstream-throttled", bedrock.throttle),
    "internal error": ("upstream-unavailable", bedrock.internal_error),
    "503 of a proxy": ("upstream-unavailable", faults.unavailable),
    "disconnect": ("upstream-unavailable", faults.disconnect),
    # The function lets go of all its connections then, which other requests are using.
    "not JSON": ("upstream-invalid", faults.not_json),
}
"""What may go wrong, and as what a client is told of it if no retry helps."""

CAUSED = frozenset(kind for kind, _ in _FAULTS.values())


def held(seed: int) -> Sequence[Model]:
    """Return the models that it holds."""
    return plausible_models(MODELS, seed)


@dataclass(frozen=True)
class Trouble:
    """A share of all calls that goes wrong, and how many in a row do besides, once in so many."""

    share: float = 0.0
    spell: int = 0
    every: int = 1000


@dataclass(frozen=True)
class Account:
    """What it did: calls, those of them that went wrong by the kind that they cause, and those that were not valid."""

    calls: int
    faults: Mapping[str, int]
    refused: int


class Upstream:
    """The process, from the other side; it ends with the block, or with this program."""

    def __init__(self, seed: int) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.soak.upstream", str(seed)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._line()

    def make(self, trouble: Trouble) -> Account:
        """Make such trouble from now on; return what there was since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(vars(trouble)) + "\n")
        self._process.stdin.flush()
        return Account(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()


class _Mood:
    """Decides of each call whether it goes wrong, and keeps the account."""

    def __init__(self, trouble: Trouble, seed: int) -> None:
        self._trouble = trouble
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._calls = self._refused = 0
        self._faults: Counter[str] = Counter()

    def __call__(self, right: Response, parameters: Parameters) -> Response:
        with self._lock:
            self._calls += 1
            self._refused += right.status != 200
            in_spell = self._calls % self._trouble.every >= self._trouble.every - self._trouble.spell
            if not in_spell and self._rng.random() >= self._trouble.share:
                return right
            kind, fault = _FAULTS[self._rng.choice(list(_FAULTS))]
            self._faults[kind] += 1
        return fault(right, parameters)

    def page_size(self, asked: int) -> int:
        """Return how many models a page holds: as many as asked for mostly, but fewer or none now and then."""
        with self._lock:
            return asked if self._rng.random() < 0.8 else self._rng.randint(0, asked)

    def account(self) -> Account:
        """Return what there was."""
        with self._lock:
            return Account(self._calls, dict(self._faults), self._refused)


def _main(seed: int) -> None:
    emulator = Emulator([])
    mood = _Mood(Trouble(), seed)
    with serve(emulator.respond) as url:
        print(url, flush=True)
        for line in sys.stdin:
            account, mood = mood.account(), _Mood(Trouble(**json.loads(line)), seed)
            emulator.load(held(seed))
            emulator.page_sizes = mood.page_size
            emulator.misbehave(always=mood)
            print(json.dumps(vars(account)), flush=True)
        # Whoever is still connected is a process that ends too.
        os._exit(0)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
