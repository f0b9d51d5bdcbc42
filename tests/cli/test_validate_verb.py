"""`runner validate`: what is wrong, in four forms, and what --strict makes of warnings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.verb_place import Place

WRONG = "jobs:\n  a:\n    rum: ls\n    schedule: every 5\n"
DOUBTFUL = "jobs:\n  hello:\n    schedule: every 5m\n    run: echo hello\n"
GOOD = """\
channels: {ops: "log:"}
jobs:
  hello: {schedule: every 5m, run: echo hello, timeout: 1m, notify: {on_failure: ops}}
"""


def test_a_good_file_is_said_on_stdout(place: Place) -> None:
    place.write(GOOD)
    said = place.call("validate", "--strict")
    assert (said.stdout, said.stderr) == (f"{place.file}: 1 job, good\n", "")


def test_what_is_doubtful_is_said_and_good_unless_strict(place: Place) -> None:
    place.write(DOUBTFUL)
    said = place.call("validate")
    assert said.stdout == f"{place.file}: 1 job, good\n"
    assert said.stderr.startswith("warning[no-timeout]: ")
    assert said.stderr.endswith("0 errors, 2 warnings\n")
    said = place.call("validate", "--strict", code=3)
    assert said.stderr.endswith("0 errors, 2 warnings; with --strict a warning is an error\n")


def test_every_mistake_at_once_as_text(place: Place) -> None:
    place.write(WRONG)
    said = place.call("validate", code=3)
    assert said.stdout == ""
    assert f"--> {place.file}:3:5\n" in said.stderr
    assert f"{place.file}:4:" in said.stderr
    assert said.stderr.endswith("2 errors, 0 warnings\n")


def test_as_json(place: Place) -> None:
    place.write(WRONG)
    document = place.call("validate", "--format", "json", code=3).json
    assert document == place.call("validate", "--json", code=3).json
    assert next((each["kind"], each["line"], each["column"]) for each in document["errors"]) == (
        "unknown-key",
        3,
        5,
    )
    assert set(document["errors"][0]) == {"kind", "message", "file", "line", "column", "help"}
    assert document["warnings"] == document["notes"] == []
    place.write(DOUBTFUL)
    assert [each["kind"] for each in place.call("validate", "--json").json["warnings"]] == [
        "no-timeout",
        "no-notify",
    ]


def test_as_remarks_of_github(place: Place) -> None:
    place.write(WRONG.replace("rum: ls", "'rum,50%': ls"), "deploy/jobs:1.yaml")
    lines = place.call("validate", "--format", "github", "deploy/jobs:1.yaml", code=3).stdout.splitlines()
    assert lines[0].startswith("::error file=deploy/jobs%3A1.yaml,line=3,col=5,title=unknown-key::")
    assert "rum,50%25" in lines[0]
    assert len(lines) == 2
    place.write(DOUBTFUL)
    warned = place.call("validate", "--format", "github").stdout
    assert [line.partition(" ")[0] for line in warned.splitlines()] == ["::warning", "::warning"]
    strict = place.call("validate", "--format", "github", "--strict", code=3).stdout
    assert [line.partition(" ")[0] for line in strict.splitlines()] == ["::error", "::error"]


def test_as_sarif(place: Place) -> None:
    place.write(WRONG)
    log = json.loads(place.call("validate", "--format", "sarif", code=3).stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    first = run["results"][0]
    assert (first["ruleId"], rules[first["ruleIndex"]], first["level"]) == (
        "unknown-key",
        "unknown-key",
        "error",
    )
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "jobs.yaml"},
                "region": {"startLine": 3, "startColumn": 5, "endColumn": 8},
            }
        }
    ]
    place.write(DOUBTFUL)
    log = json.loads(place.call("validate", "--format", "sarif", "--strict", code=3).stdout)
    assert {result["level"] for result in log["runs"][0]["results"]} == {"error"}
    place.write(GOOD)
    assert json.loads(place.call("validate", "--format", "sarif").stdout)["runs"][0]["results"] == []


def test_a_clock_change_is_a_note_in_every_form(place: Place) -> None:
    place.write(GOOD.replace("every 5m", "at 02:30, timezone: Europe/Oslo"))
    said = place.call("validate", "--strict")
    assert said.stdout == f"{place.file}: 1 job, good\n"
    assert said.stderr.startswith("note[clock-change]: 30 2 * * *: on 2")
    assert said.stderr.endswith("0 errors, 0 warnings, 2 notes\n")
    document = place.call("validate", "--strict", "--json").json
    assert (document["errors"], document["warnings"]) == ([], [])
    assert [each["kind"] for each in document["notes"]] == ["clock-change", "clock-change"]
    lines = place.call("validate", "--strict", "--format", "github").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::notice", "::notice"]
    log = place.call("validate", "--strict", "--format", "sarif").stdout
    assert [result["level"] for result in json.loads(log)["runs"][0]["results"]] == ["note", "note"]


def test_notes_come_last_and_are_no_warnings(place: Place) -> None:
    place.write("jobs:\n  nightly: {schedule: at 02:30, timezone: Europe/Oslo, run: ls}\n")
    said = place.call("validate", "--strict", code=3)
    assert said.stderr.endswith("0 errors, 2 warnings, 2 notes; with --strict a warning is an error\n")
    assert [line.partition("[")[0] for line in said.stderr.splitlines() if "]: " in line] == [
        "warning",
        "warning",
        "note",
        "note",
    ]


@pytest.mark.parametrize(("example", "jobs"), [("jobs.yaml", 5), ("complete.yaml", 7)])
def test_the_examples_are_good_also_with_strict(example: str, jobs: int, place: Place) -> None:
    path = Path(__file__).parents[2] / "examples" / example
    assert place.call("validate", "--strict", str(path)).stdout == f"{path}: {jobs} jobs, good\n"


def test_the_first_file_leaves_nothing_to_remark(place: Place) -> None:
    place.call("init", "first.yaml")
    assert (
        place.call("validate", "--strict", "first.yaml").stdout
        == f"{place.directory}/first.yaml: 1 job, good\n"
    )


def test_several_files_are_each_checked(place: Place) -> None:
    place.write(GOOD, "good.yaml")
    place.write(WRONG, "wrong.yaml")
    said = place.call("validate", "good.yaml", "wrong.yaml", code=3)
    assert said.stdout == f"{place.directory}/good.yaml: 1 job, good\n"
    assert said.stderr.count("wrong.yaml:") >= 2


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_file_that_is_not_there(form: str, place: Place) -> None:
    said = place.call("validate", "none.yaml", "--format", form, code=3)
    assert said.stderr == "runner: there is no file none.yaml\n  help: give its path with -f FILE\n"
