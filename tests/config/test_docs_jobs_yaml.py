"""docs/jobs-yaml.md is true: every file on it loads and fits the schema, and every key of the language is on it."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from runner import config
from runner.config.node import Source
from runner.config.schema import schema
from runner.config.text import parse

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "jobs-yaml.md").read_text()
FILES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_there_are_files() -> None:
    assert len(FILES) >= 10


@pytest.mark.parametrize("text", FILES)
def test_a_file_of_the_page_loads(text: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(text)
    assert config.load(tmp_path / "jobs.yaml").jobs
    value = parse(text, Source("jobs.yaml", text))
    assert value is not None
    errors = jsonschema.Draft202012Validator(schema()).iter_errors(value.value)
    assert [error.message for error in errors] == []


def test_every_key_stands_on_the_page_with_its_meaning() -> None:
    # What is only ever expected is told in testing.md.
    others = {"ExpectModel", "AlertModel", "CommandModel", "FailModel"}
    known = schema()
    for name, model in {"": known, **known["$defs"]}.items():
        for key, each in model.get("properties", {}).items():
            if name in others or each.get("not") == {}:
                continue
            rows = re.findall(rf"^\| `{re.escape(key)}` \|.*\|$", PAGE, re.MULTILINE)
            assert rows, f"{name}.{key}"
            assert all(row.rsplit("|", 2)[1].strip() for row in rows), f"{name}.{key} has no meaning"


def test_the_tables_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    sys.modules.pop("generate", None)
    generate = importlib.import_module("generate")
    assert generate.renewed(PAGE) == PAGE
