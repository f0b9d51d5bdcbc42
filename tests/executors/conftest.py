from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.rig import Open


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Open]:
    opened = Open(tmp_path)
    yield opened
    opened.close()
