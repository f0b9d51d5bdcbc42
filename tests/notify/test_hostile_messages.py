"""A rule's own title and body, attacked by the values they show and by the templates themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runner.core.run import News, RunKey
from runner.moment import parse_iso
from runner.notify.compose import message
from runner.spec import JobKey
from tests.expressions.test_sandbox import ESCAPES, MESSAGE_BOMBS
from tests.expressions.test_shell_values import hostile

ETL = JobKey("default", "/etc/jobs.yaml", "etl")
AT = parse_iso("2026-11-24T02:01:06+01:00")


def news(**facts: Any) -> News:
    return News("failure", ETL, AT, RunKey(ETL, AT), {"title": "etl", "status": "failed", **facts})


def shown(text: str) -> str:
    """A text as a message may show it: nothing that a terminal or a mail would take for an order."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or (c >= " " and c != "\x7f"))


@pytest.mark.parametrize("kind", ["{{ %s }}", "${{ %s }}"])
def test_a_value_is_shown_and_nothing_more(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = [value.replace("\x1b[0m", "") for value in hostile(500, seed=1) if len(value) < 60_000]
    for value in values:
        for name, facts in (("params.x", {"params": {"x": value}}), ("run.output", {"tail": value})):
            said = message(
                news(title_template=f"etl: {kind % name}", body_template=f"a {kind % name} b", **facts)
            )
            assert said.body == f"a {shown(value)} b"
            assert said.title == " ".join(f"etl: {shown(value)}".split())
            assert "\n" not in said.title
    assert os.listdir(tmp_path) == []


def test_orders_to_a_terminal_are_left_out() -> None:
    said = message(
        news(title_template="{{ run.output }}", body_template="{{ run.output }}", tail="a\x1b[2Jb\x07c\x00")
    )
    assert (said.title, said.body) == ("abc", "abc")


@pytest.mark.parametrize(
    "kind", ["{{ %s }}", "${{ %s }}", "{%% if %s %%}x{%% endif %%}", "{%% set x = %s %%}{{ x }}"]
)
@pytest.mark.parametrize("text", ESCAPES)
def test_a_template_reaches_no_python_and_costs_no_alert(kind: str, text: str) -> None:
    said = message(news(title_template=kind % text, body_template=kind % text, params={"text": "abc"}))
    for found in (said.title, said.body):
        assert "<class" not in found.split("could not be rendered")[0]
        assert "<built-in" not in found.split("could not be rendered")[0]
    assert said.title
    assert said.body


@pytest.mark.parametrize("text", MESSAGE_BOMBS)
def test_a_bomb_costs_no_alert(text: str) -> None:
    said = message(news(title_template="ok", body_template=text))
    assert said.title == "ok"
    assert "could not be rendered" in said.body
