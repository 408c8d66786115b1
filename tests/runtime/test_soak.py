"""A short run of ``python -m tools.soak``."""

import sys
from pathlib import Path

import pytest

from tools.soak.__main__ import Soak, environments
from tools.upstream import Upstream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric needs Linux"),
]

WALKS, SEED = 25, 1


def test_concurrent_walks_over_http_and_in_containers(bundled: Path) -> None:
    with Upstream() as upstream:
        soak = Soak(SEED, upstream)
        for environment in environments(bundled, WALKS):
            assert soak.walk(environment, WALKS, faults=True).violations == []
