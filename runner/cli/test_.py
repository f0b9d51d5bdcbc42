from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli import completing, frame


@click.command("test")
@frame.file_option
@click.option(
    "--job",
    "jobs",
    multiple=True,
    metavar="JOB",
    shell_complete=completing.jobs,
    help="only the tests of this job; repeatable",
)
@click.option("--junit", metavar="FILE", help="also write JUnit XML there; - is stdout")
@click.option("--verbose", "-v", is_flag=True, help="list the good ones as well")
@frame.json_option
def command(file: str | None, jobs: tuple[str, ...], junit: str | None, verbose: bool, as_json: bool) -> None:
    """Play the tests of a jobs file: fire times, failures, retries, commands, alerts.

    Nothing is run and nobody is told: the same scheduler decides, with a clock that jumps from one moment to the
    next. Exit 0 where all is as expected, 1 where it is not.

    \b
    runner test                            # all tests of ./jobs.yaml
    runner test --job etl -v               # of one job, good ones as well
    runner test --junit report.xml         # for a CI system
    """
    from runner.clock import SystemClock
    from runner.testing import told
    from runner.testing.verdict import judge

    place = frame.place_of(file)
    loaded = frame.load(place)
    for job in jobs:
        frame.job_of(loaded, job)
    tests = [test for test in loaded.tests if not jobs or test.job in jobs]
    if not tests:
        of = f" of {', '.join(jobs)}" if jobs else ""
        hint = "write some under `tests:`; runner schema tests says what they may hold"
        raise frame.fault(frame.EXIT_FAILED, f"there are no tests{of} in {place.file}", hint=hint)
    clock = SystemClock()
    began = clock.elapsed()
    with frame.progress(len(tests), "playing") as step:
        verdicts = []
        for test in tests:
            verdicts.append(judge(loaded, test))
            step()
    base = str(Path.cwd())
    if junit is not None:
        xml = told.junit(verdicts, suite=place.file.name, took=clock.elapsed() - began, base=base)
        frame.write_text(junit, xml)
    if as_json:
        frame.print_json(told.document(verdicts))
    elif junit != "-":
        click.echo(told.text(verdicts, base=base, everything=verbose))
    if not all(verdict.good for verdict in verdicts):
        sys.exit(frame.EXIT_FAILED)
