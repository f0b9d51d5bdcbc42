from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import Open


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Open]:
    opened = Open(tmp_path)
    yield opened
    opened.close()
