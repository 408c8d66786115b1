"""Walks: listings followed to their end by the cursor, each with filters of its own, held against the emulator's."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from emulators.bedrock import Emulator
from emulators.models import Model
from tools.soak.servers import Ask, Parameters, as_text
from tools.soak.upstream import CAUSED, MODELS, held

_LONGEST = 2000
"""Requests after which a walk is taken for endless."""

_HOSTILE = 0.03
"""The share of requests before which a walk sends one that must be refused."""


@dataclass
class Walk:
    """How one went: the requests by what they were answered, and what was wrong, if anything."""

    number: int
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: str | None = None

    @property
    def requests(self) -> int:
        """How many requests it took."""
        return self.kinds.total()


class Walks:
    """All the walks of a seed: the same number is the same walk."""

    def __init__(self, seed: int) -> None:
        """Know what the Bedrock of this seed holds."""
        self._seed = seed
        self._models = held(seed)
        self._emulator = Emulator(self._models)

    def walk(self, number: int, ask: Ask) -> Walk:
        """Go one walk."""
        rng = random.Random(f"{self._seed} {number}")
        filters = _filters(rng, self._models)
        expected = self._listing(filters)
        walk, found = Walk(number), list[str]()
        cursor: dict[str, str] = {}
        request: Parameters = {}
        while walk.requests < _LONGEST:
            # After a failure the same request once more, or another one from the same cursor.
            if not request or rng.random() < 0.5:
                request = {**filters, **_sizes(rng, len(expected)), **cursor}
            if rng.random() < _HOSTILE:
                _attack(walk, rng, request, ask)
            answer = ask(request)
            walk.kinds[answer.kind] += 1
            if answer.kind == "ok":
                found += answer.arns
                if len(answer.arns) > int(request.get("maxItems", 100)):
                    walk.wrong = f"{len(answer.arns)} models for {request}"
                if answer.cursor is None:
                    break
                cursor, request = {"cursor": answer.cursor}, {}
            elif answer.kind in CAUSED:
                time.sleep(rng.uniform(0, 0.2))
            else:
                walk.wrong = f"{answer.kind} for {request}"
                return walk
        walk.wrong = walk.wrong or _difference(found, expected)
        return walk

    def _listing(self, filters: Parameters) -> list[str]:
        listed = json.loads(self._emulator.list_custom_models(as_text({**filters, "maxResults": MODELS})).body)
        assert "nextToken" not in listed
        return [model["modelArn"] for model in listed["modelSummaries"]]


def _filters(rng: random.Random, models: Sequence[Model]) -> Parameters:
    model, other = rng.sample(models, 2)
    after, before = sorted((model.created, other.created))
    choices: Parameters = {
        "baseModelArnEquals": model.base_arn,
        "creationTimeAfter": _instant(after),
        "creationTimeBefore": _instant(before),
        "foundationModelArnEquals": model.foundation_arn,
        "isOwned": rng.random() < 0.7,
        "modelStatus": str(model.status),
        "nameContains": rng.choice(model.name.split("-")),
        "sortBy": "CreationTime",
        "sortOrder": rng.choice(("Ascending", "Descending")),
    }
    return {name: choices[name] for name in rng.sample(list(choices), rng.choice((0, 1, 1, 2, 3)))}


def _instant(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _sizes(rng: random.Random, total: int) -> Parameters:
    """Return a maxItems that makes some ten requests of a walk, and a pageSize that makes a few calls of each."""
    sizes: dict[str, int] = {}
    if rng.random() < 0.95:
        sizes["maxItems"] = rng.randint(1, total // 5 + 2)
    if rng.random() < 0.5:
        sizes["pageSize"] = max(1, sizes.get("maxItems", 100) // rng.randint(1, 4))
    return sizes


def _attack(walk: Walk, rng: random.Random, request: Parameters, ask: Ask) -> None:
    attacks: list[tuple[str, Parameters]] = [
        ("invalid-query", {**request, "maxItems": 0}),
        ("invalid-query", {**request, "namecontains": "churn"}),
        ("invalid-cursor", {**request, "cursor": "no-cursor"}),
    ]
    if "cursor" in request:
        attacks.append(("cursor-mismatch", {**request, "nameContains": "another"}))
    expected, attack = rng.choice(attacks)
    kind = ask(attack).kind
    walk.kinds[kind] += 1
    if kind != expected:
        walk.wrong = f"{kind}, not {expected}, for {attack}"


def _difference(found: list[str], expected: list[str]) -> str | None:
    """Say what distinguishes what a walk found from what there is; None if nothing does."""
    if found == expected:
        return None
    lost, twice = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return f"lost {sorted(lost)}, twice or not of this listing {sorted(twice)}" if lost or twice else "not in order"
