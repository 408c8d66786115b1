"""Walks: listings followed by cursor to their end, each with random filters, compared with the emulator's listing."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from emulators.bedrock import Emulator
from emulators.models import Model, plausible_models
from tools.soak.servers import Parameters, Send, query_string
from tools.upstream import FAULT_PROBLEMS

MODELS = 400

_MAX_REQUESTS = 2000
"""After this many requests, a walk stops and counts as wrong."""

_INVALID_RATE = 0.03
"""The probability that a walk sends an invalid request before a valid one."""


@dataclass
class Walk:
    """A walk: the outcomes of its requests, and what was wrong, if anything."""

    number: int
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: str | None = None


class Walks:
    """All walks of a seed: the same number is the same walk."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._models = plausible_models(MODELS, seed)
        self._emulator = Emulator(self._models)

    def walk(self, send: Send, number: int) -> Walk:
        """Follow the cursors of one listing to its end."""
        rng = random.Random(f"{self._seed} {number}")
        filters = _filters(rng, self._models)
        expected = self._listing(filters)
        walk, found = Walk(number), list[str]()
        cursor: dict[str, str] = {}
        request: Parameters = {}
        while walk.outcomes.total() < _MAX_REQUESTS:
            # After a failure, send the same request again, or another one with the same cursor.
            if not request or rng.random() < 0.5:
                request = {**filters, **_sizes(rng, len(expected)), **cursor}
            if rng.random() < _INVALID_RATE:
                _send_invalid(walk, rng, request, send)
            result = send(request)
            walk.outcomes[result.outcome] += 1
            if result.outcome == "ok":
                found += result.arns
                if len(result.arns) > int(request.get("maxItems", 100)):
                    walk.wrong = f"{len(result.arns)} models for {request}"
                if result.cursor is None:
                    break
                cursor, request = {"cursor": result.cursor}, {}
            elif result.outcome in FAULT_PROBLEMS:
                time.sleep(rng.uniform(0, 0.2))
            else:
                walk.wrong = f"{result.outcome} for {request}"
                return walk
        walk.wrong = walk.wrong or _difference(found, expected)
        return walk

    def _listing(self, filters: Parameters) -> list[str]:
        response = self._emulator.list_custom_models(query_string({**filters, "maxResults": MODELS}))
        listing = json.loads(response.body)
        assert "nextToken" not in listing
        return [model["modelArn"] for model in listing["modelSummaries"]]


def _filters(rng: random.Random, models: Sequence[Model]) -> Parameters:
    model, other = rng.sample(models, 2)
    after, before = sorted((model.created, other.created))
    choices: Parameters = {
        "baseModelArnEquals": model.base_arn,
        "creationTimeAfter": f"{after:%Y-%m-%dT%H:%M:%SZ}",
        "creationTimeBefore": f"{before:%Y-%m-%dT%H:%M:%SZ}",
        "foundationModelArnEquals": model.foundation_arn,
        "isOwned": rng.random() < 0.7,
        "modelStatus": str(model.status),
        "nameContains": rng.choice(model.name.split("-")),
        "sortBy": "CreationTime",
        "sortOrder": rng.choice(("Ascending", "Descending")),
    }
    return {name: choices[name] for name in rng.sample(list(choices), rng.choice((0, 1, 1, 2, 3)))}


def _sizes(rng: random.Random, total: int) -> Parameters:
    """Return a maxItems for a walk of about ten requests, and a pageSize for a few calls per request."""
    sizes: dict[str, int] = {}
    if rng.random() < 0.95:
        sizes["maxItems"] = rng.randint(1, total // 5 + 2)
    if rng.random() < 0.5:
        sizes["pageSize"] = max(1, sizes.get("maxItems", 100) // rng.randint(1, 4))
    return sizes


def _send_invalid(walk: Walk, rng: random.Random, request: Parameters, send: Send) -> None:
    """Send a request that must be rejected."""
    choices: list[tuple[str, Parameters]] = [
        ("invalid-query", {**request, "maxItems": 0}),
        ("invalid-query", {**request, "namecontains": "churn"}),
        ("invalid-cursor", {**request, "cursor": "no-cursor"}),
    ]
    if "cursor" in request:
        choices.append(("cursor-mismatch", {**request, "nameContains": "another"}))
    expected, invalid = rng.choice(choices)
    outcome = send(invalid).outcome
    walk.outcomes[outcome] += 1
    if outcome != expected:
        walk.wrong = f"{outcome}, not {expected}, for {invalid}"


def _difference(found: list[str], expected: list[str]) -> str | None:
    """Describe the difference between a walk and the listing; None if they are equal."""
    if found == expected:
        return None
    lost, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return f"lost {sorted(lost)}, repeated or not in the listing {sorted(extra)}" if lost or extra else "not in order"
