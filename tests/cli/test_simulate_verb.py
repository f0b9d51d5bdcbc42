"""`runner simulate`: a stretch of time with failures and downtime, as a table, a summary and JSON."""

from __future__ import annotations

import gc

import pytest

from tests.cli.verb_place import Place

JOBS = """\
channels: {ops: "log:"}
defaults: {timezone: Europe/Oslo, timeout: 1h, notify: {on_failure: ops, on_recovery: ops}}
jobs:
  etl:
    schedule: 30 2 * * *
    steps:
      - {id: extract, run: ./extract, retry: {max: 1, delay: 10s}}
      - {id: load, foreach: "${{ steps.extract.outputs.regions | fromjson }}", run: "./load ${{ item }}"}
  mail: {schedule: at 08:30, only_after: {job: etl, within: 2h}, run: ./mail}
  hourly: {schedule: 0 * * * *, run: ./hourly}
"""
WEEKEND = ["--from", "2026-03-28", "--to", "2026-03-30"]

TABLE = """\
DAY              TIME           WHAT         JOB   TOOK  DETAIL
Sat 28 Mar 2026  02:30:00 CET   ✗ failed     etl    12s  extract: exit code 1; 2 attempts
                 02:30:12 CET   ! alert      etl         to ops: etl failed in extract (exit code 1)
                 08:30:00 CET   - skipped    mail        the job it waits for did not succeed in time: etl, within 2h
Sun 29 Mar 2026  03:00:00 CEST  ✓ succeeded  etl     2s
                 03:00:02 CEST  ! alert      etl         to ops: etl recovered after 1 failure
                 08:30:00 CEST  ✓ succeeded  mail    1s
"""


@pytest.fixture
def jobs(place: Place) -> Place:
    place.write(JOBS)
    return place


def test_a_weekend_in_which_the_clocks_change(jobs: Place) -> None:
    jobs.write(JOBS.replace("  hourly: {schedule: 0 * * * *, run: ./hourly}\n", ""))
    said = jobs.call("simulate", *WEEKEND, "--fail", "etl.extract=2")
    assert (said.stdout, said.stderr) == (TABLE, "")


def test_a_program_that_calls_it_keeps_its_garbage_collector(jobs: Place) -> None:
    assert gc.isenabled()
    jobs.call("simulate", *WEEKEND)
    assert gc.isenabled()


def test_as_json_every_occurrence_is_accounted_for(jobs: Place) -> None:
    document = jobs.call("simulate", *WEEKEND, "--fail", "etl.extract=2", "--json").json
    assert set(document) == {"version", "occurrences", "runs", "alerts", "warnings"}
    etl = [run for run in document["runs"] if run["job"] == "etl"]
    assert [(run["scheduled_at"], run["status"], run["attempt"]) for run in etl] == [
        ("2026-03-28T02:30:00+01:00", "failed", 2),
        ("2026-03-29T03:00:00+02:00", "succeeded", 1),
    ]
    assert [step["id"] for step in etl[1]["steps"]] == ["extract", "load[<extract.regions>]"]
    hourly = [run for run in document["runs"] if run["job"] == "hourly"]
    assert len(hourly) == 47
    assert [(one["job"], one["status"], one["reason"]) for one in document["occurrences"]] == [
        ("mail", "skipped", "only_after")
    ]
    assert [(alert["kind"], alert["channel"]) for alert in document["alerts"]] == [
        ("failure", "ops"),
        ("recovery", "ops"),
    ]
    assert document["warnings"] == []


def test_a_night_in_which_the_machine_is_off(jobs: Place) -> None:
    off = ["--down", "2026-03-28T00:30..2026-03-28T09:10"]
    document = jobs.call("simulate", *WEEKEND, *off, "--json").json
    etl = [run for run in document["runs"] if run["job"] == "etl"]
    assert [(run["started_at"], run["late"]) for run in etl] == [
        ("2026-03-28T09:10:00+01:00", 24000.0),
        ("2026-03-29T03:00:00+02:00", 0.0),
    ]
    (merged, *rest) = [one for one in document["occurrences"] if one["job"] == "hourly"]
    assert rest == [] or {one["status"] for one in rest} <= {"merged", "missed"}
    assert sum(one["count"] for one in [merged, *rest]) == 8


def test_a_run_is_cut_off_by_the_power(jobs: Place) -> None:
    document = jobs.call(
        "simulate",
        "etl",
        *WEEKEND,
        "--took",
        "etl.extract=10m",
        "--down",
        "2026-03-28T02:35..2026-03-28T03:00",
        "--json",
    ).json
    assert [run["status"] for run in document["runs"]] == ["interrupted", "succeeded"]


def test_one_job_is_shown_with_what_it_waits_for_played(jobs: Place) -> None:
    document = jobs.call("simulate", "mail", *WEEKEND, "--json").json
    assert [run["job"] for run in document["runs"]] == ["mail", "mail"]
    document = jobs.call("simulate", "mail", *WEEKEND, "--fail", "etl.extract=always", "--json").json
    assert (document["runs"], len(document["occurrences"])) == ([], 2)


def test_outputs_that_are_said(jobs: Place) -> None:
    said = jobs.call("simulate", "etl", *WEEKEND, "--output", 'extract.regions=["eu", "us"]', "--json").json
    assert [step["id"] for step in said["runs"][0]["steps"]] == ["extract", "load[eu]", "load[us]"]
    said = jobs.call("simulate", "etl", *WEEKEND, "--output", "etl.extract.regions={}", "--json").json
    assert said["warnings"] == [
        "etl.load could not be judged: condition: foreach: a list is needed, not dict; "
        "say what its steps put out with --output"
    ]


SUMMARY = """\
JOB     RUNS  GOOD  BAD  NOT RUN  ALERTS  FIRST             LAST
etl      365   364    1                2  2026-01-01 02:30  2026-12-31 02:30
mail     364   364             1          2026-01-02 08:30  2026-12-31 08:30
hourly  8760  8760                        2026-01-01 00:00  2026-12-31 23:00
9,492 events; --all lists them one by one, --json gives them to programs
"""


def test_a_year_is_summed_up(jobs: Place) -> None:
    year = ["--from", "2026-01-01", "--to", "2027-01-01"]
    assert jobs.call("simulate", *year, "--fail", "etl.extract=2").stdout == SUMMARY
    listed = jobs.call("simulate", *year, "--fail", "etl.extract=2", "--all").stdout
    assert len(listed.splitlines()) == 9_493


def test_a_job_that_never_runs_is_said(jobs: Place) -> None:
    jobs.write("jobs: {a: {schedule: '0 0 29 2 *', run: x}, b: {run: x}}\n")
    said = jobs.call("simulate", "--from", "2026-03-01", "--days", "30")
    assert said.stdout == "nothing happens\nnot once in 30d: a\n"


def test_nothing_is_written(jobs: Place) -> None:
    jobs.call("simulate", *WEEKEND)
    assert [path.name for path in jobs.directory.iterdir()] == ["jobs.yaml"]


WRONG = [
    (["nothing"], 5, "there is no job 'nothing'"),
    (["--days", "3", "--to", "5d"], 2, "--to and --days stand side by side"),
    (["--from", "soon"], 2, "'soon' is not a moment"),
    (["--from", "2026-01-02", "--to", "2026-01-01"], 2, "it ends before it begins: --to 2026-01-01"),
    (["--fail", "etl"], 2, "'etl' is not JOB.STEP=VALUE"),
    (["--fail", "etl=1"], 2, "the job 'etl' has 2 steps"),
    (["--fail", "etl.lod=1"], 5, "the job 'etl' has no step 'lod'"),
    (["--fail", "itl.load=1"], 5, "there is no job 'itl'"),
    (["--fail", "etl.load=some"], 2, "--fail etl.load=some: 'some' is not a number"),
    (["--took", "hourly=5"], 2, "--took hourly=5: '5' is not a length of time"),
    (["--output", "etl=5"], 2, "'etl=5' is not JOB.STEP.NAME=VALUE"),
    (["--down", "2026-01-01"], 2, "'2026-01-01' is not FROM..TO"),
    (
        ["--down", "2020-01-01..2020-01-02"],
        2,
        "--down 2020-01-01..2020-01-02 is not within what is simulated",
    ),
]


@pytest.mark.parametrize(("args", "code", "fact"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_wrong_words_are_met_with_right_ones(args: list[str], code: int, fact: str, jobs: Place) -> None:
    said = jobs.call("simulate", *args, code=code)
    assert said.stderr.startswith(f"runner: {fact}")
    assert "\n  help: " in said.stderr
