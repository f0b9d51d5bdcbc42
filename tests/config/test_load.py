"""Files that load, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner import config
from runner.config.node import Source
from runner.config.schema import FILE, schema, text
from runner.config.text import parse
from runner.core.context import context
from runner.core.run import Run, RunKey
from runner.errors import ConfigError
from runner.expressions import render
from runner.moment import HOUR, MINUTE, SECOND
from runner.spec import Call, Command, Http, JobSpec

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def _load(text: str, **others: str) -> config.Config:
        for name, content in others.items():
            (tmp_path / name.replace("__", "/").replace("_yaml", ".yaml")).write_text(content)
        path = tmp_path / "jobs.yaml"
        path.write_text(text)
        return config.load(path)

    return _load


def only(loaded: config.Config) -> JobSpec:
    (spec,) = loaded.jobs
    return spec


def test_the_four_line_file(load: Any, tmp_path: Path) -> None:
    spec = only(load("jobs:\n  hello:\n    schedule: every 5m\n    run: echo hello\n"))
    assert spec.id == "hello"
    assert spec.source == str(tmp_path / "jobs.yaml")
    assert spec.schedule == "every 5m"
    assert spec.trigger is not None
    assert spec.trigger.next_after(0) == 5 * MINUTE
    (step,) = spec.steps
    assert step.id == "main"
    assert step.work == Command("echo hello")


@pytest.mark.parametrize("name", ["jobs.yaml", "complete.yaml"])
def test_the_examples_load_and_fit_the_schema(name: str) -> None:
    path = EXAMPLES / name
    assert config.load(path).jobs
    value = parse(path.read_text(), Source(str(path), ""))
    assert value is not None
    errors = list(jsonschema.Draft202012Validator(schema()).iter_errors(value.value))
    assert [error.message for error in errors] == []


def test_the_schema_file_is_fresh() -> None:
    assert FILE.read_text() == text()
    jsonschema.Draft202012Validator.check_schema(json.loads(text()))


def test_steps_in_order_unless_needs_says_otherwise(load: Any) -> None:
    spec = only(
        load(
            """\
jobs:
  etl:
    steps:
      - {id: a, run: echo a}
      - {run: echo b}
      - {id: c, needs: [], run: echo c}
      - {id: d, needs: [a, c], run: echo d}
"""
        )
    )
    assert [(step.id, step.needs) for step in spec.steps] == [
        ("a", ()),
        ("step2", ("a",)),
        ("c", ()),
        ("d", ("a", "c")),
    ]


def test_defaults_templates_vars_and_matrix(load: Any) -> None:
    loaded = load(
        """\
vars: {keep: 3, root: /srv}
env: {LANG: C.UTF-8}
defaults: {timeout: 1h, retry: 1, timezone: Europe/Oslo}
groups: {db: 2}
templates:
  dump:
    vars: {keep: 7, target: "${{ vars.root }}/${{ vars.db }}"}
    run: dump ${{ vars.db }} to ${{ vars.target }}
    env: {DB: "${{ vars.db }}"}
    concurrency: {group: db}
jobs:
  backup:
    extends: dump
    matrix: {db: [orders, users]}
    vars: {db: "${{ matrix.db }}", keep: 14}
    schedule: H 1 * * *
    timeout: "${{ vars.keep }}m"
"""
    )
    first, second = loaded.jobs
    assert [first.id, second.id] == ["backup[orders]", "backup[users]"]
    assert first.vars == {"keep": 14, "root": "/srv", "target": "/srv/orders", "db": "orders"}
    assert first.policy.timeout == 14 * MINUTE
    assert first.policy.concurrency.group == "db"
    assert first.steps[0].retry.max == 1
    assert first.timezone == "Europe/Oslo"
    assert first.env == {"LANG": "C.UTF-8", "DB": "${{ vars.db }}"}
    assert first.trigger != second.trigger
    run = Run(RunKey(first.key, 0), first)
    assert render("${{ matrix.db }}-${{ vars.keep }}", context(run)) == "orders-14"


def test_a_template_is_replaced_where_the_job_has_its_own_work(load: Any) -> None:
    spec = only(
        load(
            """\
templates: {base: {run: echo base, env: {A: "1", B: "2"}}}
jobs: {j: {extends: base, command: [echo, own], env: {B: "3"}}}
"""
        )
    )
    assert spec.steps[0].work == Command(argv=("echo", "own"))
    assert spec.env == {"A": "1", "B": "3"}


def test_includes_bring_jobs_and_their_own_defaults(load: Any, tmp_path: Path) -> None:
    (tmp_path / "jobs.d").mkdir()
    loaded = load(
        "include: jobs.d/*.yaml\ndefaults: {timeout: 1h, priority: 3}\njobs: {a: {run: echo a}}\n",
        **{"jobs.d__b_yaml": "defaults: {timeout: 2h}\njobs: {b: {run: echo b}}\n"},
    )
    found = {spec.id: (spec.policy.timeout, spec.policy.priority) for spec in loaded.jobs}
    assert found == {"a": (HOUR, 3), "b": (2 * HOUR, 3)}
    assert {path.name for path in loaded.files} == {"jobs.yaml", "b.yaml"}


def test_yaml_1_2_meaning(load: Any) -> None:
    spec = only(
        load(
            "jobs:\n  j:\n    run: 'true'\n    vars: {a: on, b: NO, c: 12:30, d: 0644, e: 2026-12-24, f: yes}\n"
        )
    )
    assert spec.vars == {"a": "on", "b": "NO", "c": "12:30", "d": 644, "e": "2026-12-24", "f": "yes"}


def test_other_kinds_of_steps(load: Any) -> None:
    spec = only(
        load(
            """\
jobs:
  j:
    steps:
      - {id: f, python: "pkg.mod:func", with: {x: "${{ run.id }}", n: 3}}
      - {id: h, http: {post: "https://example.com/x", json: {a: 1}, timeout: 5s}}
      - {id: b, shell: bash, run: "echo ${{ steps.h.outputs.status }}"}
      - {id: e, foreach: [1, 2], max_parallel: 1, run: "echo ${{ item }}"}
"""
        )
    )
    call, http, bash, each = (step.work for step in spec.steps)
    assert call == Call("pkg.mod:func", kwargs={"x": "${{ run.id }}", "n": 3}, rendered=True)
    assert http == Http("POST", "https://example.com/x", json={"a": 1}, timeout=5 * SECOND)
    assert isinstance(bash, Command)
    assert bash.shell == ("bash", "-eo", "pipefail")
    assert isinstance(each, Command)
    assert spec.steps[3].foreach is not None
    assert spec.steps[3].foreach.items == (1, 2)


def test_notify_in_short_and_in_long(load: Any) -> None:
    spec = only(
        load(
            """\
channels: {ops: "log:", mail: "log:"}
jobs:
  j:
    run: 'true'
    notify:
      on_failure: [{to: ops, after: 3, remind: 1h}, mail]
      on_recovery: [ops, mail]
"""
        )
    )
    first, second = spec.notify.on_failure
    assert (first.to, first.after, first.remind) == (("ops",), 3, HOUR)
    assert second.to == ("mail",)
    assert [rule.to for rule in spec.notify.on_recovery] == [("ops", "mail")]


def test_an_unchanged_job_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text("jobs:\n  a: {run: echo a}\n  b: {run: echo b}\n")
    cache = config.Cache()
    first = config.load(path, cache=cache)
    path.write_text("jobs:\n  a: {run: echo a}\n  b: {run: echo c}\n")
    second = config.load(path, cache=cache)
    assert second.jobs[0] is first.jobs[0]
    assert second.jobs[1] != first.jobs[1]


def test_every_problem_of_every_file_in_one_pass(load: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            "include: b.yaml\njobs:\n  a: {rum: x}\n  c: {run: 'true', schedule: every 5}\n",
            b_yaml="jobs:\n  b: {run: 'true', timeout: 5}\n",
        )
    places = [(Path(each.file).name, each.line, each.column) for each in caught.value.problems]
    assert places == [("jobs.yaml", 3, 7), ("jobs.yaml", 4, 30), ("b.yaml", 2, 29)]
