"""`runner explain`: the merged job as YAML that means the same, each value with the place it came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner import config
from runner.spec import Command, JobSpec, Step
from tests.cli.verb_place import Place

JOBS = """\
include: more/*.yaml
vars: {host: db1}
env: {LANG: C.UTF-8}
channels: {ops: "log:"}
defaults: {timeout: 1h, notify: {on_failure: ops}}
templates:
  dump:
    vars: {keep: 7, db: none}
    env: {DB: "${{ vars.db }}"}
    run: |
      dump "$DB"

      echo done
jobs:
  backup:
    extends: dump
    matrix: {db: [orders, users]}
    vars: {db: "${{ matrix.db }}"}
    timezone: UTC
    schedule: [0 1 * * *, {every: 5m, start: 2026-01-01}]
"""
MORE = """\
defaults: {retry: 2}
jobs:
  mail:
    timezone: UTC
    command: [mail, "--to", "no", 'a "b"', "0644"]
    env: {A: "yes", B: 0644, C: 1.10, D: "", E: " x", F: "#"}
"""

BACKUP = """\
jobs:
  backup[orders]:
    vars:
      host: db1                               # jobs.yaml:2 (vars)
      keep: 7                                 # jobs.yaml:8 (template dump)
      db: "${{ matrix.db }}"                  # jobs.yaml:18
    schedule:
      - 0 1 * * *                             # jobs.yaml:20
      - every: 5m                             # jobs.yaml:20
        start: '2026-01-01'                   # jobs.yaml:20
    timezone: UTC                             # jobs.yaml:19
    timeout: 1h                               # jobs.yaml:5 (defaults)
    env:
      LANG: C.UTF-8                           # jobs.yaml:3 (env)
      DB: "${{ vars.db }}"                    # jobs.yaml:9 (template dump)
    run: |                                    # jobs.yaml:10 (template dump)
      dump "$DB"

      echo done
    notify:
      on_failure: ops                         # jobs.yaml:5 (defaults)
    # matrix.db: orders                      # jobs.yaml:17 (matrix)
    enabled: true                             # built-in default
    retry: 0                                  # built-in default
    concurrency: skip                         # built-in default
    catchup: {runs: latest, max: 20}          # built-in default: within one period, at least 1h
    on_interrupt: fail                        # built-in default
    priority: 0                               # built-in default
    executor: default                         # built-in default
    shell: sh                                 # built-in default: with -e
    working_dir: HERE
    clean_env: false                          # built-in default
    stop_signal: SIGTERM                      # built-in default
    stop_grace_period: 10s                    # built-in default
    success: {exit_codes: [0]}                # built-in default
    retention: {runs: 500, age: 90d, logs: 30d, bytes: 256M}  # built-in default
"""


@pytest.fixture
def jobs(place: Place) -> Place:
    place.write(JOBS)
    place.write(MORE, "more/mail.yaml")
    return place


def test_a_job_of_a_template_and_a_matrix(jobs: Place) -> None:
    said = jobs.call("explain", "backup[orders]").stdout
    rows = [line if "working_dir" not in line else "    working_dir: HERE" for line in said.splitlines()]
    assert [_halves(row) for row in rows] == [_halves(row) for row in BACKUP.splitlines()]
    places = [row.index("  # ") for row in rows if "  # " in row and "matrix" not in row[:12]]
    assert set(places) - {max(places)} == {44}


def _halves(row: str) -> list[str]:
    return [half.rstrip() for half in row.split("  # ")]


def test_what_an_included_file_says_is_at_its_place(jobs: Place) -> None:
    keys = {key["path"]: key for key in jobs.call("explain", "mail", "--json").json["keys"]}
    assert keys["retry"] == {
        "path": "retry",
        "value": 2,
        "file": str(jobs.directory / "more/mail.yaml"),
        "line": 1,
        "column": 19,
        "origin": "defaults",
    }
    assert (keys["timeout"]["file"], keys["timeout"]["line"]) == (str(jobs.file), 5)
    assert (keys["env.B"]["value"], keys["env.B"]["origin"]) == ("0644", "job")
    assert (keys["enabled"]["file"], keys["enabled"]["origin"]) == (None, "built-in default")


@pytest.mark.parametrize("job", ["mail", "backup[orders]"])
def test_what_it_says_is_yaml_that_means_the_same(job: str, jobs: Place) -> None:
    before = {spec.id: spec for spec in config.load(jobs.file).jobs}[job]
    said = jobs.call("explain", job).stdout.replace(f"  {job}:", "  it:", 1)
    said = said.replace("${{ matrix.db }}", "orders")
    after = config.load(jobs.write(f'channels: {{ops: "log:"}}\n{said}', "after.yaml"))
    (spec,) = after.jobs
    work = {id(step): step for step in before.steps}
    assert [_anywhere(step) for step in spec.steps] == [_anywhere(step) for step in work.values()]
    assert _plain(spec) == _plain(before)


def _anywhere(step: Step) -> Step:
    assert isinstance(step.work, Command)
    return replace(step, work=replace(step.work, working_dir=None))


def _plain(spec: JobSpec) -> JobSpec:
    """Without what says where it was written, and under which name."""
    return replace(spec, id="", source="", steps=(), matrix={}, vars=dict(spec.vars), schedule="")


def test_every_job_of_the_complete_example(place: Place) -> None:
    example = Path(__file__).parents[2] / "examples" / "complete.yaml"
    for spec in config.load(example).jobs:
        document = place.call("explain", spec.id, "-f", str(example), "--json").json
        places = [key for key in document["keys"] if key["file"]]
        assert places
        lines = example.read_text().splitlines()
        for key in places:
            name = key["path"].rpartition(".")[2].partition("[")[0]
            assert name in lines[key["line"] - 1] or "[" in key["path"]


def test_no_such_job_and_a_broken_file(jobs: Place) -> None:
    assert "did you mean mail?" in jobs.call("explain", "mial", code=5).stderr
    jobs.write("jobs: {a: {rum: x}}\n")
    assert "no key is called `rum` here" in jobs.call("explain", "a", code=3).stderr
