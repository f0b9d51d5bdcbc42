"""`runner test`: what is played, what is compared, and how a difference is told."""

# ruff: noqa: E501 - a test of the file is a line

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.cli.verb_place import Place

JOBS = """\
channels: {ops: "log:"}
secrets: {key: {env: NO_SUCH_VARIABLE}}
defaults: {timezone: Europe/Oslo, timeout: 1h}
jobs:
  etl:
    schedule: at 02:00
    params: {mode: {type: choice, options: [full, delta], default: delta}}
    notify: {on_failure: {to: ops, after: 2}, on_recovery: ops}
    steps:
      - id: extract
        run: |
          # nothing is known of ${{ in }} a comment
          ./extract --mode ${{ params.mode }} --key "${{ secrets.key }}"
        retry: {max: 2, delay: 10s}
      - id: load
        foreach: [eu, us]
        command: [./load, --region, "${{ item }}", --rows, "${{ steps.extract.outputs.rows }}"]
        env: {DAY: "${{ run.scheduled_at | date }}", DIR: "${{ run.dir }}/x"}
      - id: tidy
        python: etl:tidy
        with: {day: "${{ run.scheduled_at | date }}", strict: true}
      - id: publish
        if: ${{ params.mode == 'full' }}
        http: {post: "https://x.example/${{ params.mode }}", headers: {A: b}, json: {rows: "${{ steps.extract.outputs.rows }}"}}
  mail:
    schedule: at 08:30
    only_after: {job: etl, within: 2h}
    run: echo mail
  long: {schedule: at 03:00, timeout: 10m, run: sleep 9999, notify: {on_failure: ops}}
tests:
"""

GOOD = [
    '{job: etl, from: 2026-03-28, to: 2026-03-31, expect: ["2026-03-28T02:00", "2026-03-29T03:00", "2026-03-30T02:00"]}',
    '{job: etl, from: 2026-03-29, to: 2026-03-30, expect: ["2026-03-29T01:00Z"]}',
    '{job: etl, from: "2026-03-28T02:00", to: "2026-03-28T02:01", expect: ["2026-03-28T02:00"]}',
    '{job: etl, from: "2026-03-28T01:00", to: "2026-03-28T02:00", expect: []}',
    "{job: etl, expect: {status: succeeded, order: [extract, load, tidy], skipped: [publish], alerts: []}}",
    '{job: etl, expect: {order: [extract, "load[eu]", "load[us]", tidy], attempts: {extract: 1, load: 1, publish: 0}}}',
    "{job: etl, fail: {extract: 2}, expect: {status: succeeded, attempts: {extract: 3}}}",
    "{job: etl, fail: {extract: 3}, expect: {status: failed, order: [extract], skipped: [load, tidy, publish]}}",
    "{job: etl, fail: {extract: {times: always, exit_code: 75, error: no answer}}, expect: {status: failed}}",
    "{job: etl, fail: {'load[us]': 1}, expect: {status: failed, order: [extract, load]}}",
    "{job: etl, outputs: {extract: {rows: 5}}, params: {mode: full}, expect: {commands: {'load[us]': [./load, --region,"
    " us, --rows, '5'], tidy: \"etl:tidy(day='2026-01-01', strict=True)\", publish: {run: 'POST https://x.example/full',"
    " contains: ['A: b', '{\"rows\": \"5\"}']}}}}",
    "{job: etl, at: '2026-05-01T02:00', expect: {commands: {'load[eu]': {contains: '<extract.rows>', env: {DAY:"
    " '2026-05-01', DIR: $RUNNER_RUN_DIR/x}}}}}",
    "{job: etl, params: {mode: full}, expect: {commands: {extract: {contains: './extract --mode full --key \"***\"'}}}}",
    "{job: etl, from: 2026-03-02, to: 2026-03-04, fail: {extract: 6}, expect: {statuses: [failed, failed], alerts:"
    " [{to: ops, kind: failure, title: 'etl failed in extract (exit code 1)'}]}}",
    "{job: etl, from: 2026-03-02, to: 2026-03-05, fail: {extract: 6}, expect: {statuses: [failed, failed, succeeded],"
    " alerts: [{kind: failure}, {kind: recovery}]}}",
    "{job: mail, from: 2026-03-02, to: 2026-03-03, expect: ['2026-03-02T08:30']}",
    "{job: mail, from: 2026-03-02, to: 2026-03-03, fail: {etl.extract: always}, expect: []}",
    "{job: long, took: {main: 11m}, expect: {status: timed_out, reason: timeout, alerts: ops}}",
    "{job: long, took: {main: 9m}, expect: {status: succeeded, alerts: []}}",
]


@pytest.mark.parametrize("test", GOOD)
def test_what_holds_is_good(test: str, place: Place) -> None:
    place.write(f"{JOBS}  - {test}\n")
    said = place.call("test", code=None)
    assert (said.code, said.stdout, said.stderr) == (0, "1 test, all good\n", "")


BAD = """\
  - {job: etl, from: 2026-03-28, to: 2026-03-31, expect: ["2026-03-28T02:00", "2026-03-29T02:00", "2026-03-30T02:00"]}
  - job: etl
    name: a good run
    expect:
      status: failed
      attempts: {extract: 3}
      skipped: []
      order: [load, extract, tidy]
      commands:
        load[us]: {command: [./load, --region, eu], env: {DAY: "2026-01-02"}}
        load: ./load
        publish: {contains: x}
      alerts: [{to: ops, kind: failure}]
  - {job: etl, fail: {extract: 9}, expect: {status: succeeded, alerts: []}}
  - {job: mail, from: 2026-03-02, to: 2026-03-03, expect: []}
  - {job: long, expect: succeeded}
"""

TOLD = """\
✗ etl: 2026-03-28 to 2026-03-31  (jobs.yaml:31)
    times:  (jobs.yaml:31)
        2026-03-28T02:00+01:00
      - 2026-03-29T02:00
      + 2026-03-29T03:00+02:00
        2026-03-30T02:00+02:00
✗ etl: a good run  (jobs.yaml:32)
    alerts: expected failure to ops, found (none)  (jobs.yaml:43)
    status: expected failed, found succeeded  (jobs.yaml:35)
    attempts.extract: expected 3, found 1  (jobs.yaml:36)
    order:  (jobs.yaml:38)
      + extract
        load
      - extract
        tidy
    skipped: expected (none), found publish  (jobs.yaml:37)
    commands.load[us]:  (jobs.yaml:39)
        ./load
        --region
      - eu
      + us
      + --rows
      + <extract.rows>
    commands.load[us].env.DAY: expected 2026-01-02, found 2026-01-01  (jobs.yaml:39)
    commands.load: expected ./load, found it has instances: load[eu], load[us]  (jobs.yaml:39)
    commands.publish: expected a start, found it did not start  (jobs.yaml:39)
✗ etl: a run, extract fails 9 times  (jobs.yaml:44)
    status: expected succeeded, found failed (extract: exit code 1)  (jobs.yaml:44)
✗ mail: 2026-03-02 to 2026-03-03  (jobs.yaml:45)
    times: expected (none), found 2026-03-02T08:30+01:00  (jobs.yaml:45)
(- expected, + found)
4 tests, 4 failed
"""


def test_what_does_not_hold_is_told_line_by_line(place: Place) -> None:
    place.write(JOBS + BAD.replace("  - {job: long, expect: succeeded}\n", ""))
    assert place.call("test", code=1).stdout == TOLD


def test_as_json_and_as_junit(place: Place) -> None:
    place.write(JOBS + BAD.replace("  - {job: long, expect: succeeded}\n", f"  - {GOOD[4]}\n"))
    document = place.call("test", "--json", code=1).json
    assert document["failed"] == 4
    assert [test["status"] for test in document["tests"]] == ["failed"] * 4 + ["passed"]
    assert document["tests"][2]["differences"] == [
        {
            "key": "status",
            "place": f"{place.file}:44",
            "expected": ["succeeded"],
            "found": ["failed (extract: exit code 1)"],
        }
    ]
    place.call("test", "--junit", "report.xml", code=1)
    root = ElementTree.parse(place.directory / "report.xml").getroot()
    (suite,) = root
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("jobs.yaml", "5", "4")
    cases = list(suite)
    assert [case.get("classname") for case in cases] == ["etl", "etl", "etl", "mail", "etl"]
    assert (cases[1].get("name"), cases[1].get("file"), cases[1].get("line")) == (
        "a good run",
        "jobs.yaml",
        "32",
    )
    failure = cases[3].find("failure")
    assert failure is not None
    assert failure.get("message") == "not as expected: times"
    assert failure.text == "times: expected (none), found 2026-03-02T08:30+01:00  (jobs.yaml:45)"
    assert list(cases[4]) == []


def test_only_those_of_a_job(place: Place) -> None:
    place.write(f"{JOBS}  - {GOOD[0]}\n  - {GOOD[-1]}\n")
    assert place.call("test", "--job", "long", "-v").stdout == (
        "✓ long: a run  (jobs.yaml:32)\n1 test, all good\n"
    )
    said = place.call("test", "--job", "lung", code=5)
    assert "there is no job 'lung'" in said.stderr
    assert "did you mean long?" in said.stderr
    said = place.call("test", "--job", "mail", code=1)
    assert "there are no tests of mail in" in said.stderr


def test_a_file_without_tests_is_no_good_test(place: Place) -> None:
    place.write("jobs: {a: {run: 'true'}}\n")
    said = place.call("test", code=1)
    assert said.stderr == (
        f"runner: there are no tests in {place.file}\n"
        "  help: write some under `tests:`; runner schema tests says what they may hold\n"
    )


def test_a_file_that_cannot_be_written(place: Place) -> None:
    place.write(f"{JOBS}  - {GOOD[0]}\n")
    said = place.call("test", "--junit", "no/such/dir.xml", code=1)
    assert said.stderr == "runner: no/such/dir.xml cannot be written: No such file or directory\n"


WRONG = [
    ("{job: ETL, expect: []}", "unknown-job", "there is no job 'ETL'", "did you mean `etl`?"),
    ("{job: etl, from: 2026-03-28, expect: []}", "missing", "`from` needs `to`", "write `to: 2026-12-31` beside it"),
    ("{job: etl, to: 2026-03-28, expect: []}", "missing", "`to` needs `from`", "write `from: 2026-12-31` beside it"),
    ("{job: etl, from: 2026-03-28, to: 2026-03-28, expect: []}", "value", "`to` is not after `from`", "it is the moment before which it ends"),
    ("{job: etl, from: now, to: 2026-03-28, expect: []}", "value", "'now' is neither a day nor a moment", "write 2026-03-28, or 2026-03-28T02:00"),
    ("{job: etl, expect: [2026-03-28]}", "missing", "`times` are expected, and no days", "write `from: 2026-03-28` and `to: 2026-03-31` beside `expect`"),
    ("{job: etl, from: 2026-03-28, to: 2026-03-29, expect: [soon]}", "value", "'soon' is not a moment", "write 2026-03-28T02:00"),
    ("{job: etl, from: 2026-03-28, to: 2026-03-29, expect: {status: failed}}", "conflict", "`status` is about one run, `from` and `to` about several", "write `at: 2026-03-28T02:00` instead of `from` and `to`"),
    ("{job: etl, from: 2026-03-28, to: 2026-03-29, params: {mode: full}, expect: []}", "conflict", "`params` is about one run, `from` and `to` about those of the schedule", "make two tests of it"),
    ("{job: etl, expect: {}}", "missing", "nothing is expected", "write `expect: {status: succeeded}`"),
    ("{job: etl}", "missing", "`expect` is missing", "write `expect: ...`"),
    ("{job: etl, params: {mode: ful}, expect: {status: failed}}", "value", "mode: 'ful' is not one of its options", "did you mean full? There are: full, delta"),
    ("{job: etl, fail: {exract: 1}, expect: {status: failed}}", "unknown-step", "the job 'etl' has no step 'exract'", "did you mean `extract`?"),
    ("{job: etl, fail: {lung.main: 1}, expect: {status: failed}}", "unknown-job", "there is no job 'lung'", "did you mean `long`?"),
    ("{job: etl, fail: {extract: {time: 1}}, expect: {status: failed}}", "unknown-key", "no key is called `time` here", "did you mean `times`?"),
    ("{job: etl, fail: {extract: sometimes}, expect: {status: failed}}", "type", "needs a whole number", ""),
    ("{job: etl, fail: {extract: -1}, expect: {status: failed}}", "value", "-1", "0"),
    ("{job: etl, took: {extract: 5}, expect: {status: failed}}", "value", "'5' is not a length of time", "say the unit: 5s (seconds), 5m (minutes), 5h (hours) or 5d (days)"),
    ("{job: etl, expect: {order: [load, pubish]}}", "unknown-step", "the job 'etl' has no step 'pubish'", "did you mean `publish`?"),
    ("{job: etl, expect: {attempts: {pubish: 1}}}", "unknown-step", "the job 'etl' has no step 'pubish'", "did you mean `publish`?"),
    ("{job: etl, expect: {alerts: [opz]}}", "unknown-channel", "there is no channel 'opz'", "ops"),
    ("{job: etl, expect: {alerts: [{to: ops, kind: xyz}]}}", "value", "'xyz'", "reminder, recovery, late"),
    ("{job: etl, expect: {status: success}}", "value", "'success'", "succeeded, failed, timed_out"),
]  # fmt: skip


@pytest.mark.parametrize(("test", "kind", "message", "help"), WRONG, ids=[case[0] for case in WRONG])
def test_a_wrong_test_is_found_by_validate(
    test: str, kind: str, message: str, help: str, place: Place
) -> None:
    place.write(f"{JOBS}  - {test}\n")
    (problem,) = place.call("validate", "--json", code=3).json["errors"]
    assert problem["kind"] == kind
    assert message in problem["message"]
    assert help in problem["help"]
    assert problem["line"] == 31
    assert 4 < problem["column"] < 100


def test_a_job_of_a_matrix_is_named_in_full(place: Place) -> None:
    jobs = "jobs:\n  b: {matrix: {db: [x, y]}, run: 'echo ${{ matrix.db }}'}\ntests:\n"
    place.write(jobs + "  - {job: 'b[y]', expect: {commands: {main: echo y}}}\n")
    assert place.call("test").stdout == "1 test, all good\n"
    place.write(jobs + "  - {job: b, expect: {status: succeeded}}\n")
    (problem,) = place.call("validate", "--json", code=3).json["errors"]
    assert (problem["message"], problem["help"]) == (
        "'b' stands for several jobs",
        "write one of: b[x], b[y]",
    )


def test_a_job_of_a_file_that_cannot_be_read_is_not_called_unknown(place: Place) -> None:
    place.write(
        "include: more.yaml\njobs: {b: {run: x}}\ntests:\n  - {job: a, expect: {status: succeeded}}\n"
    )
    place.write("jobs: {a: {run: x}\n", "more.yaml")
    assert [each["kind"] for each in place.call("validate", "--json", code=3).json["errors"]] == ["syntax"]
