"""Workflows of Dagu as a jobs file: what Dagu would do, and what is said of keys that have no place here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner import config
from runner.cli import main
from runner.config.dagu import as_yaml, read
from runner.errors import RunnerError
from runner.moment import HOUR, SECOND
from runner.spec import Command, Http, JobSpec, Step

ETL = """
name: production-etl
description: Daily ETL
group: data
tags: [production, etl]
schedule: "CRON_TZ=Europe/Oslo 0 2 * * *"
maxActiveRuns: 1
timeoutSec: 7200
histRetentionDays: 90
params:
  - DATE: "`date +%Y-%m-%d`"
  - ENVIRONMENT: production
env:
  - DATA_DIR: /data/etl
  - PATH: ${PATH}:/custom/path
dotenv: [production.env]
preconditions:
  - condition: "`echo 3`"
    expected: "re:[1-7]"
steps:
  - name: validate-environment
    command: echo "valid in $ENVIRONMENT"
  - name: extract-data
    command: echo "path-for-${ENVIRONMENT}"
    depends: validate-environment
    output: RAW_DATA_PATH
    retryPolicy: {limit: 3, intervalSec: 300}
  - name: load-data
    command: echo "load ${RAW_DATA_PATH} $LOAD_TIMEOUT"
    depends: [extract-data]
    env:
      - LOAD_TIMEOUT: 600
  - name: optional
    command: "false"
    depends: [extract-data]
    continueOn: {failure: true}
  - name: only-staging
    command: echo only
    depends: load-data
    preconditions:
      - condition: "${ENVIRONMENT}"
        expected: staging
  - name: after-staging
    command: echo never
    depends: only-staging
handlerOn:
  success:
    command: |
      echo "completed in $ENVIRONMENT"
  failure:
    command: echo failed
  exit:
    command: echo "bye ${PATH##*:}"
"""


def jobs_of(tmp_path: Path, *texts: str) -> dict[str, JobSpec]:
    file = tmp_path / "jobs.yaml"
    given = [(f"flow{number}", text) for number, text in enumerate(texts, 1)]
    file.write_text(as_yaml(read(given), name="dags"))
    return {spec.id: spec for spec in config.load(file).jobs}


def job_of(tmp_path: Path, text: str) -> JobSpec:
    (spec,) = jobs_of(tmp_path, text).values()
    return spec


def notes_of(text: str) -> list[str]:
    return [note for _, note in read([("flow", text)]).notes]


def work(step: Step) -> Command:
    assert isinstance(step.work, Command)
    return step.work


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    assert isinstance(left.value.code, int)
    return left.value.code


def played(tmp_path: Path, text: str, *params: str) -> tuple[int, str]:
    """The exit code and the output of a run in the foreground."""
    (tmp_path / "jobs.yaml").write_text(as_yaml(read([("flow", text)]), name="dags"))
    (id,) = read([("flow", text)]).jobs
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", "-f", str(tmp_path / "jobs.yaml"), id, *params],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "RUNNER_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


# ── a whole workflow ────────────────────────────────────────────────────────────────────────


def test_what_dagu_would_do(tmp_path: Path) -> None:
    job = job_of(tmp_path, ETL)
    assert (job.id, job.policy.timeout) == ("production-etl", 2 * HOUR)
    assert job.tags == ("data", "production", "etl")
    assert job.enabled
    assert [step.id for step in job.steps] == [
        "workflow_condition",
        "validate_environment",
        "extract_data",
        "load_data",
        "optional",
        "only_staging_condition",
        "only_staging",
        "after_staging",
        "on_success",
        "on_failure",
        "on_exit",
    ]
    steps = {step.id: step for step in job.steps}
    assert steps["load_data"].needs == ("extract_data",)
    assert (steps["extract_data"].retry.max, steps["extract_data"].retry.delay) == (3, 300 * SECOND)
    assert steps["optional"].continue_on_error
    assert notes_of(ETL) == ["the default of the parameter DATE is worked out by each step anew"]


def test_it_runs_as_dagu_would_run_it(tmp_path: Path) -> None:
    code, said = played(tmp_path, ETL)
    assert code == 0
    assert said.splitlines() == [
        "validate_environment | valid in production",
        "extract_data | path-for-production",
        "load_data | load path-for-production 600",
        "on_success | completed in production",
        "on_exit | bye /custom/path",
    ]


def test_a_parameter_that_is_given_opens_what_depends_on_it(tmp_path: Path) -> None:
    code, said = played(tmp_path, ETL, "-p", "ENVIRONMENT=staging")
    assert code == 0
    assert "only_staging | only\nafter_staging | never\n" in said


def test_a_condition_of_the_workflow_that_does_not_hold_skips_it_all(tmp_path: Path) -> None:
    code, said = played(tmp_path, ETL.replace("echo 3", "echo 9"))
    assert (code, said) == (0, "")


def test_the_handlers_of_a_failure(tmp_path: Path) -> None:
    code, said = played(tmp_path, ETL.replace('valid in $ENVIRONMENT"', 'wrong"; exit 3'))
    assert code == 1
    assert said.splitlines() == [
        "validate_environment | wrong",
        "on_failure | failed",
        "on_exit | bye /custom/path",
    ]


# ── order ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("type: chain\nsteps: [echo a, echo b]", {"step_1": (), "step_2": ("step_1",)}),
        ("steps: [echo a, [echo b, echo c], echo d]", {"step_1": (), "step_4": ("step_2", "step_3")}),
        ("type: graph\nsteps: [{id: a, run: x}, {id: b, run: y}]", {"a": (), "b": ()}),
        ("steps: {a: {command: x}, b: {command: y, depends: a}}", {"a": (), "b": ("a",)}),
        ("steps: [{name: a, command: x}, {id: b, name: B b, run: y, depends: a}]", {"b": ("a",)}),
        (
            "type: graph\nhandler_on: {init: {run: x}}\nsteps: [{id: a, run: x}]",
            {"on_init": (), "a": ("on_init",)},
        ),
    ],
)
def test_the_order_of_steps(tmp_path: Path, text: str, needs: dict[str, Any]) -> None:
    steps = {step.id: step.needs for step in job_of(tmp_path, text).steps}
    assert {id: steps[id] for id in needs} == needs


def test_steps_that_say_nothing_of_their_order_run_one_after_another_and_it_is_said() -> None:
    (note,) = notes_of("steps: [{command: a}, {command: b}]")
    assert note.startswith("releases of Dagu differ on steps without `depends`: here they run in the order")
    assert notes_of("type: chain\nsteps: [{command: a}, {command: b}]") == []


# ── keys ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "schedule"),
    [
        ('"30 7 * * *"', "30 7 * * *"),
        ('{start: "0 8 * * *"}', "0 8 * * *"),
        ('[{expression: "0 8 * * *"}]', "0 8 * * *"),
        ('"CRON_TZ=Asia/Tokyo 5 9 * * *"', "5 9 * * *, timezone Asia/Tokyo"),
        ('"@every 1h30m"', "every 1h30m"),
        ('["0 8 * * *", "@daily"]', "0 8 * * *; @daily"),
    ],
)
def test_when(tmp_path: Path, given: str, schedule: str) -> None:
    assert job_of(tmp_path, f"schedule: {given}\nsteps: [echo a]").schedule == schedule


@pytest.mark.parametrize(
    ("step", "script", "shell"),
    [
        ("echo hi", "echo hi", "sh"),
        ("{command: echo, args: [a, b c, $D]}", 'echo a "b c" $D', "sh"),
        ("{command: [echo, 'a b']}", 'echo "a b"', "sh"),
        ("{command: ['echo a', 'echo b']}", "echo a\necho b\n", "sh"),
        ("{run: ['echo a', 'echo b']}", "echo a\necho b\n", "sh"),
        ('{script: "a\\nb\\n", shell: bash}', "a\nb\n", "bash"),
        ("{run: a, with: {shell: zsh -e}}", "a", "zsh"),
        (
            '{script: "#!/usr/bin/env python3\\nprint(1)\\n"}',
            "#!/usr/bin/env python3\nprint(1)\n",
            "/usr/bin/env",
        ),
        ("{action: exec, with: {command: ls, args: [-l]}}", "ls -l", "sh"),
        ("{run: 'echo ${{ x }}'}", "echo ${{ '${{' }} x }}", "sh"),
    ],
)
def test_what_a_step_does(tmp_path: Path, step: str, script: str, shell: str) -> None:
    found = work(job_of(tmp_path, f"steps: [{step}]").steps[0])
    assert found.script == script
    assert found.shell[0] == shell


def test_variables_that_a_shell_works_out_stand_at_the_head_of_each_script(tmp_path: Path) -> None:
    text = 'env: {A: "1", B: "${A}x\\"y"}\nsteps: [{run: echo $B, env: [C=$B]}]'
    job = job_of(tmp_path, text)
    assert dict(job.env) == {"A": "1"}
    assert work(job.steps[0]).script == 'export B="${A}x\\"y"\nexport C="$B"\necho $B\n'


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ("[A: x, B: 'y']", {"A": "x", "B": "y"}),
        ("{A: x}", {"A": "x"}),
        ("\"A=x B='y z'\"", {"A": "x", "B": "y z"}),
        ("[A=x]", {"A": "x"}),
        ("[{name: A, type: integer, default: 3, minimum: 1}]", {"A": 3}),
        ("{type: object, properties: {A: {type: boolean, default: true}}}", {"A": True}),
    ],
)
def test_parameters(tmp_path: Path, params: str, given: dict[str, object]) -> None:
    job = job_of(tmp_path, f"params: {params}\nsteps: [echo $A]")
    assert {each.name: each.default for each in job.params} == given
    assert job.env["A"] == "${{ params.A }}"


def test_secrets_are_looked_up_where_dagu_looked(tmp_path: Path) -> None:
    text = "secrets: [{name: TOKEN, provider: env, key: MY_TOKEN}]\nsteps: [echo $TOKEN]"
    assert "secrets:\n  TOKEN: {env: MY_TOKEN}\n" in as_yaml(read([("flow", text)]), name="dags")
    assert job_of(tmp_path, text).env["TOKEN"] == "${{ secrets.TOKEN }}"


def test_a_request(tmp_path: Path) -> None:
    text = """
params: {NAME: world}
steps:
  - executor: {type: http, config: {headers: {Accept: text/plain}, timeout: 10}}
    command: POST http://127.0.0.1:9/${NAME}
    script: "hello $NAME"
"""
    found = job_of(tmp_path, text).steps[0].work
    assert isinstance(found, Http)
    assert (found.method, found.url, found.timeout) == (
        "POST",
        "http://127.0.0.1:9/${{ params.NAME }}",
        10 * SECOND,
    )
    assert found.body == "hello ${{ params.NAME }}"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("continue_on: failed", (True, (0,))),
        ("continueOn: {failure: true}", (True, (0,))),
        ("continue_on: {exit_code: [3, 4], mark_success: true}", (False, (0, 3, 4))),
        ("continue_on: {skipped: true}", (False, (0,))),
    ],
)
def test_going_on(tmp_path: Path, policy: str, expected: tuple[bool, tuple[int, ...]]) -> None:
    step = job_of(tmp_path, f"steps: [{{command: a, {policy}}}, {{command: b}}]").steps[0]
    assert (step.continue_on_error, tuple(sorted(work(step).success.exit_codes))) == expected


# ── what has no place ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("container: {image: x}\nsteps: [a]", "`container` is not taken over: write the container's command"),
        ("steps: [{name: a, call: other}]", "`a.call` is not taken over: other is a job of its own"),
        ("steps: [{name: a, run: other.yaml}]", "`a.call` is not taken over: other.yaml is a job of its own"),
        ("steps: [{name: a, executor: docker, command: x}]", "`a.docker` is not taken over: write a command"),
        (
            "steps: [{name: a, command: x, repeatPolicy: {repeat: true}}]",
            "`a.repeat_policy` is not taken over",
        ),
        (
            "steps: [{name: a, command: x, depends: b}]",
            "`depends: b` is not taken over: there is no such step",
        ),
        (
            'schedule: {start: "0 8 * * *", stop: "0 9 * * *"}\nsteps: [a]',
            "`schedule.stop` is not taken over",
        ),
        ("params: first second\nsteps: [echo $1]", "`params` is not taken over: 'first second' has no name"),
        ("steps: [echo $DAG_RUN_LOG_FILE]", "`$DAG_RUN_LOG_FILE` is not taken over: see `$RUNNER_STEP`"),
        ("schedule: 61 * * * *\nsteps: [a]", "its schedule '61 * * * *' is not understood"),
    ],
)
def test_a_job_that_cannot_do_without_is_not_enabled(tmp_path: Path, text: str, note: str) -> None:
    first, *others = notes_of(text)
    assert first == "it is not enabled: what it would miss is named below"
    assert any(each.startswith(note) for each in others), others
    assert not job_of(tmp_path, text).enabled
    assert f"    # {note}" in as_yaml(read([("flow", text)]), name="dags")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("queue: q\nsteps: [a]", "`queue` is not taken over: name a group below `groups: {NAME: {max: N}}`"),
        ("mailOn: {failure: true}\nsteps: [a]", "`mail_on` is not taken over: name a channel"),
        ("timeoutSec: soon\nsteps: [a]", '`timeout_sec` is not understood, and not taken over: "soon"'),
        ("steps: [{name: a, command: x, sparkle: y}]", "a: `sparkle` is not taken over"),
        ("handlerOn: {failure: {type: mail}}\nsteps: [a]", "`handler_on.failure` sends mail: name a channel"),
    ],
)
def test_what_it_can_do_without_is_a_comment(tmp_path: Path, text: str, note: str) -> None:
    (said,) = notes_of(text)
    assert said.startswith(note)
    assert job_of(tmp_path, text).enabled


def test_a_step_that_is_not_taken_over_fails_and_says_so(tmp_path: Path) -> None:
    code, _ = played(tmp_path, "steps: [{name: a, executor: docker, command: x}]")
    assert code == 1


def test_several_documents_are_several_jobs(tmp_path: Path) -> None:
    found = jobs_of(tmp_path, "steps: [echo a]\n---\nname: child\nsteps: [echo b]\n", "steps: [echo c]")
    assert list(found) == ["flow1", "child", "flow2"]


SKIPPED = """
preconditions: [{condition: "false"}]
steps:
  - {name: a, command: echo a, continueOn: {skipped: true}}
  - {name: b, command: echo b, depends: a}
"""


def test_nothing_of_a_workflow_runs_whose_condition_is_not_met(tmp_path: Path) -> None:
    """Whatever a step of it says of steps that are skipped."""
    assert played(tmp_path, SKIPPED) == (0, "")


def test_a_script_of_another_language_reads_its_variables_from_the_environment(tmp_path: Path) -> None:
    text = """
params: "DAY=1"
steps:
  - {name: a, script: "#!/usr/bin/env python3\\nprint('${DAY}')\\n"}
  - {name: b, script: "#!/bin/bash\\necho ${DAY}\\n"}
"""
    (note,) = [note for _, note in read([("flow", text)]).notes if "its script" in note]
    assert note.startswith(
        "`a`: Dagu put the values of ${NAME} into the text of its script; here python3 reads"
    )


def test_a_script_that_names_its_shell_by_a_path_is_one_for_a_shell(tmp_path: Path) -> None:
    text = """
env: [{WHERE: "$(echo here)"}]
steps:
  - {name: a, script: "#!/bin/bash\\necho $WHERE\\n"}
"""
    assert job_of(tmp_path, text).enabled
    assert played(tmp_path, text) == (0, "here\n")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("jobs: {}", "flow is no workflow of Dagu's"),
        ("- a", "flow is no workflow of Dagu's"),
        ("a: [\nb: }", "flow is no YAML: line 2, column 4: expected the node content, but found '}'"),
        ("", "flow is empty"),
    ],
)
def test_another_file_is_refused(text: str, fact: str) -> None:
    with pytest.raises(RunnerError, match=fact):
        read([("flow", text)])


# ── the verb ────────────────────────────────────────────────────────────────────────────────


def test_the_verb_writes_a_file_that_validates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dags, made = tmp_path / "dags", tmp_path / "jobs.yaml"
    (dags / "team").mkdir(parents=True)
    (dags / "etl.yaml").write_text(ETL)
    (dags / "team" / "other.yml").write_text("steps: [{command: x, repeatPolicy: {repeat: true}}]")
    assert run("import", "dagu", str(dags), "-o", str(made)) == 0
    assert (
        "other: `step_1.repeat_policy` is not taken over: write the loop in its script"
        in capsys.readouterr().err
    )
    assert run("import", "dagu", str(dags), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["jobs"], document["yaml"]) == (2, made.read_text())
    assert run("validate", "-f", str(made)) == 0


def test_the_verb_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "dagu", str(tmp_path)) == 1
    assert f"{tmp_path} holds no file of Dagu's" in capsys.readouterr().err
    assert run("import", "dagu", str(tmp_path / "none.yaml")) == 1
    assert "none.yaml cannot be read" in capsys.readouterr().err
