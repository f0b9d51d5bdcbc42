"""The examples of docs/expressions.md are true."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.errors import ExpressionError
from runner.expressions import lift, render
from runner.expressions.filters import FILTERS

PAGE = (Path(__file__).parents[2] / "docs/expressions.md").read_text()
BLOCKS = re.findall(r"^```([a-z ]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONTEXT: dict[str, Any] = json.loads(next(text for kind, text in BLOCKS if kind == "json context"))


def rows(kind: str) -> list[list[str]]:
    lines = "".join(text for name, text in BLOCKS if name == kind).splitlines()
    return [re.split(r"\s+=> ", line, maxsplit=1) for line in lines]


def pairs(first: str, second: str) -> list[tuple[str, str]]:
    return [
        (text, following)
        for (kind, text), (after, following) in itertools.pairwise(BLOCKS)
        if (kind, after) == (first, second)
    ]


@pytest.mark.parametrize(("text", "value"), rows("values"))
def test_values(text: str, value: str) -> None:
    assert render(text, CONTEXT) == json.loads(value)


@pytest.mark.parametrize(("text", "message"), rows("errors"))
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text, CONTEXT)
    assert str(caught.value) == message


@pytest.mark.parametrize(("script", "lifted"), pairs("script", "lifted"))
def test_scripts(script: str, lifted: str) -> None:
    assert lift(script).script == lifted


@pytest.mark.parametrize(("script", "message"), pairs("refused", "error"))
def test_refusals(script: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lift(script)
    assert str(caught.value) == message.rstrip("\n")


def test_every_filter_is_named() -> None:
    named = set(re.findall(r"\w+", PAGE))
    assert [name for name in FILTERS if name not in named and name not in ("d", "count", "tojson")] == []


def test_there_are_examples_of_each_kind() -> None:
    assert len(rows("values")) > 20
    assert len(pairs("script", "lifted")) == 2
    assert len(pairs("refused", "error")) == 4
