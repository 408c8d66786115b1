"""A little of ``python -m tools.soak``, in seconds."""

import sys
from pathlib import Path

import pytest

from tools.soak.__main__ import Soak, ways
from tools.soak.upstream import Upstream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric is for Linux only"),
]

WALKS, SEED = 25, 1


def test_walks_at_once_by_both_ways(bundled: Path) -> None:
    with Upstream(SEED) as upstream:
        soak = Soak(SEED, upstream)
        for way in ways(bundled, WALKS):
            assert soak.walk(way, WALKS, troubled=True).wrong == []
