"""A short run of ``python -m tools.soak``."""

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


def test_concurrent_walks_over_http_and_in_containers(bundled: Path) -> None:
    with Upstream(SEED) as upstream:
        soak = Soak(SEED, upstream)
        for way in ways(bundled, WALKS):
            assert soak.walk(way, WALKS, troubled=True).wrong == []
