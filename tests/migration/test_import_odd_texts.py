"""Files of Dagu and yacron whose texts mean something to YAML or to a shell, or that have another form than theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config import yacron
from runner.config.dagu import as_yaml, read
from tests.migration.test_import_dagu import job_of, notes_of, played
from tests.migration.test_import_yacron import jobs_of as jobs_of_yacron


@pytest.mark.parametrize("end", ["\\n", "\\r", "\\x85", "\\u2028"])
@pytest.mark.parametrize(
    "text",
    [
        '"x{end}    env: {{EVIL: b}}": 1\nsteps: [a]',
        'steps: [{{call: "child{end}    env: {{EVIL: b}}"}}]',
        'steps: [{{executor: "docker{end}    env: {{EVIL: b}}", command: a}}]',
        'params: {{"a{end}    env: {{EVIL: b}}": 1}}\nsteps: [a]',
        'env: {{"a{end}    env: {{EVIL: b}}": 1}}\nsteps: [a]',
        'steps: [{{command: a, depends: "b{end}    env: {{EVIL: b}}"}}]',
    ],
)
def test_a_line_break_in_what_is_not_taken_over_stays_in_its_comment(
    tmp_path: Path, text: str, end: str
) -> None:
    given = text.format(end=end)
    assert dict(job_of(tmp_path, given).env) == {}
    assert "evil" in as_yaml(read([("flow", given)]), name="dags").lower()


TEXTS = [
    *(
        "null",
        "~",
        "true",
        "y",
        "1e3",
        ".inf",
        "0x1f",
        "0o7",
        "1_0",
        "2026-01-01",
        "12:30:45",
        "NaN",
        "=",
        "<<",
    ),
    *(
        "- a",
        "a: b",
        "#x",
        "a #b",
        " lead",
        "trail ",
        "!t",
        "&a",
        "*a",
        "%d",
        "@x",
        "{",
        "[",
        "a,b",
        "?",
        "|",
        ">",
    ),
    *(
        "'q'",
        '"d"',
        "\\",
        "é",
        "\U0001f600",
        "a\tb",
        "a\nb\n",
        "\n\na\n",
        "a\n\n\n",
        " a\nb\n",
        "a \n b\n\tc\n",
    ),
    *("a\x85b", "a \u2028 b", "a\u2029b", "a\x7fb", "a\x9fb", "\ufeffa", "---\n", "a\n---\nb\n", "# a\nb\n"),
]


def test_every_text_is_the_same_text_here(tmp_path: Path) -> None:
    given = {f"V{number}": text for number, text in enumerate(TEXTS)}
    flow = json.dumps({"env": given, "steps": ["a"]}, ensure_ascii=False)
    for special in "\x7f\x85\x9f\u2028\u2029\ufeff":
        flow = flow.replace(special, f"\\u{ord(special):04x}")
    assert dict(job_of(tmp_path, flow).env) == given


@pytest.mark.parametrize("name", ["null", "true", "1e3", "0x1f", "1.5", "12", "2026-01-01", "NaN"])
def test_a_workflow_may_have_a_name_that_means_something_to_yaml(tmp_path: Path, name: str) -> None:
    job = job_of(tmp_path, json.dumps({"name": name, "steps": ["a"]}))
    assert (job.id, job.name or job.id) == (name.lower(), name)


@pytest.mark.parametrize("end", ["", "\\n", " # as it should be", "\\n# as it should be\\n"])
def test_a_condition_may_end_with_a_line_break_or_a_comment(tmp_path: Path, end: str) -> None:
    text = f'steps: [{{name: a, command: echo ran, preconditions: [{{condition: "test -d /{end}"}}]}}]'
    assert played(tmp_path, text) == (0, "a | ran\n")


@pytest.mark.parametrize(
    "text",
    [
        "steps: []",
        "steps: {a: b}",
        "steps: [{precondition: [[a]]}]",
        'steps: [{shell: "\'", command: a}]',
        "handler_on: a\nsteps: [a]",
        "params: [{name: X, minimum: x}]\nsteps: [a]",
        "secrets: [a]\nsteps: [a]",
    ],
)
def test_one_that_has_another_form_is_left_out_and_the_others_are_not(text: str) -> None:
    taken = read([("odd", text), ("good", "steps: [a]")])
    assert list(taken.jobs) == ["good"]
    ((job, note),) = taken.notes
    assert job == "odd"
    assert note.startswith("a part of it has a form that Dagu does not have (")
    assert f"# odd: {note}" in as_yaml(taken, name="dags")


def test_a_timeout_without_end_is_told() -> None:
    assert notes_of("timeoutSec: 1e400\nsteps: [a]") == [
        '`timeout_sec` is not understood, and not taken over: "1e400"'
    ]


@pytest.mark.parametrize("end", ["\\n", "\\r", "\\x85", "\\u2028"])
def test_a_key_of_yacron_with_a_line_break_stays_in_its_comment(tmp_path: Path, end: str) -> None:
    text = f'jobs: [{{name: a, command: x, schedule: "@daily", "k{end}    env: {{EVIL: b}}": 1}}]'
    (job,) = jobs_of_yacron(text, tmp_path).values()
    assert dict(job.env) == {}
    assert "EVIL" in yacron.as_yaml(yacron.read(text), name="yacron.yaml")
