"""Look-ahead: the calls of a walk over many sources, and how long it waits for them.

Counted with the function's core alone, on a clock whose unit is the latency of Bedrock. The counts are exact.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast
from unittest.mock import patch

from custom_models.core import listing
from custom_models.core.budget import CallUsage, Limits, Usage
from custom_models.core.cursor import CursorSigner
from custom_models.core.models import ModelSummary, Page, PageRequest, Source
from custom_models.core.query import Query
from tools.bench.contestants import BenchError, Contestants
from tools.report import Table, number


class _Organization:
    """Sources whose calls all take one unit of time; see PageSource."""

    max_attempt_seconds = 0.0

    def __init__(self, sizes: Sequence[int]) -> None:
        """Each source has this many models."""
        self.sizes: Mapping[Source, int] = {
            Source(f"{number:012d}", "us-east-1"): size for number, size in enumerate(sizes, 1)
        }
        self.calls = 0
        self.now = 0

    def open(self, _: Limits) -> "_Organization":
        return self

    def call(self, request: PageRequest) -> "_Call":
        return _Call(self, request, None)

    def prepare(self, sources: object) -> None:
        """Do nothing: there are no credentials."""

    def start(self, request: PageRequest) -> "_Call":
        self.calls += 1
        return _Call(self, request, self.now + 1)

    def close(self) -> None:
        """Nothing is running."""


class _Call:
    """See Call. The core never has more calls in the background than there are threads, so they start at once."""

    def __init__(self, organization: _Organization, request: PageRequest, ends: int | None) -> None:
        self.request = request
        self.usage = CallUsage()
        self._organization = organization
        self._ends = ends

    def cancel(self) -> bool:
        return self._ends is None

    def result(self) -> Page:
        organization, request = self._organization, self.request
        if self._ends is None:
            organization.calls += 1
            self._ends = organization.now + 1
        organization.now = max(organization.now, self._ends)
        start = int(request.token or 0)
        end = min(organization.sizes[request.source], start + request.page_size)
        models = [cast("ModelSummary", {"modelArn": f"{request.source}/{number}"}) for number in range(start, end)]
        return Page(models, str(end) if end < organization.sizes[request.source] else None)


class _Key:
    def current(self) -> Sequence[str]:
        return ["a key of the tools, used nowhere else"]

    def refresh(self, tried: Sequence[str]) -> None:
        """There is no newer key."""


class Walk(NamedTuple):
    """What a walk over all sources cost."""

    requests: int
    calls: int
    time: int
    """In units of Bedrock's latency."""


def walk(sizes: Sequence[int], max_items: int) -> Walk:
    """Walk over sources with this many models each.

    Raises:
        BenchError: the walk lost a model or repeated one.
    """
    organization = _Organization(sizes)
    signer = CursorSigner(_Key(), lifetime=3600)
    models, requests, cursor = 0, 0, None
    seen: set[str] = set()
    while requests == 0 or cursor is not None:
        query = Query.from_json({"maxItems": max_items, "cursor": cursor}, tuple(organization.sizes))
        part = listing.list_models(query, organization, signer, Limits.from_now(3600), Usage())
        seen.update(model["modelArn"] for model in part.models)
        models, requests, cursor = models + len(part.models), requests + 1, part.cursor
    if not models == len(seen) == sum(sizes):
        raise BenchError(f"A walk over {sum(sizes):,} models saw {models:,}, {len(seen):,} of them different.")
    return Walk(requests, organization.calls, organization.now)


def _uneven(count: int) -> list[int]:
    """Return sizes as they might be in an organization: a third empty, most small, a few of up to 1,500 models."""
    rng = random.Random(0)
    return [0 if rng.random() < 1 / 3 else min(1500, int(rng.paretovariate(0.9) * 4)) for _ in range(count)]


_ORGANIZATIONS = (
    ("80, 10 models each", [10] * 80),
    ("80, 0 to {largest:,} models", _uneven(80)),
    ("500, 10 models each", [10] * 500),
    ("500, 0 to {largest:,} models", _uneven(500)),
)


def measure(_: Contestants, __: int) -> list[Table]:
    """Walk with four sizes of a response, with and without look-ahead; return the table."""
    rows = []
    for name, sizes in _ORGANIZATIONS:
        for max_items in (1000, 100, 30, 10):
            ahead = walk(sizes, max_items)
            with patch.object(listing, "MAX_AHEAD", 1):
                without = walk(sizes, max_items)
            wasted = ahead.calls - without.calls
            rows.append(
                [
                    *(name.format(largest=max(sizes)), number(max_items), number(ahead.requests)),
                    *(number(ahead.calls), number(without.calls), f"{wasted / without.calls:.1%}"),
                    *(number(ahead.time), number(without.time), number(ahead.time / without.time, 2)),
                ]
            )
    columns = ["sources", "`maxItems`", "requests", "calls", "fewest calls", "more", "time", "one by one", "×"]
    return [Table("All pages of all sources: calls of Bedrock, and time in units of its latency", columns, rows)]
