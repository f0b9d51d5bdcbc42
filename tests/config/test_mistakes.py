"""Every mistake is told whole: kind, place, source line, what to type. And the schema knows what it can."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner.config.diagnose import Trouble
from runner.config.node import Source
from runner.config.schema import schema
from runner.config.text import parse
from tests.config.mistaken import DIRECTORY, Mistake, read, told

MISTAKES = [
    pytest.param(each, id=f"{path.stem}: {each.name}")
    for path in sorted(DIRECTORY.glob("*.txt"))
    for each in read(path)
]
BLOCK = re.compile(
    r"error\[[a-z-]+\]: .+\n"
    r" +--> jobs\.yaml(:\d+:\d+\n +\|\n\d+ \| .*\n +\| +\^+)?"
    r"(\n +(= help: |        ) *\S.*)*"
)


@functools.cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(schema())


def test_there_are_many() -> None:
    assert len(MISTAKES) >= 180
    assert len({mark.id for mark in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_whole(mistake: Mistake, tmp_path: Path) -> None:
    said = told(mistake.text, tmp_path)
    assert said == mistake.said
    *blocks, last = said.split("\n\n")
    assert last == f"{len(blocks)} problem{'s' * (len(blocks) != 1)} in jobs.yaml"
    for block in blocks:
        assert BLOCK.fullmatch(block), block
        assert "= help: " in block, block


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_schema_refuses_what_it_can_know(mistake: Mistake) -> None:
    try:
        node = parse(mistake.text, Source("jobs.yaml", mistake.text))
    except Trouble:
        # An editor's own parser says so.
        assert mistake.knowable.startswith("not schema: ")
        return
    errors = list(validator().iter_errors(node.value if node is not None else None))
    if mistake.knowable == "schema":
        assert errors
    else:
        assert mistake.knowable.startswith("not schema: ")
        assert [error.message for error in errors if node is not None] == []
