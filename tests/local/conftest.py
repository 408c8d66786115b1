"""The command line, with an empty home directory."""

from pathlib import Path

import pytest

from tests.local.command_line import Local


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)
