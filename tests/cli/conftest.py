from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.verb_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory for a jobs file; nothing is in it yet."""
    return Place(tmp_path)
