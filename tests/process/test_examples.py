"""examples/jobs.yaml, run for real as a newcomer runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.process.conftest import Desk

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(desk: Desk) -> Desk:
    for name in ("jobs.yaml", "checks.py"):
        shutil.copy(EXAMPLES / name, desk.directory)
    return desk


def test_each_job_says_what_its_comment_promises(examples: Desk) -> None:
    said = {
        job: examples.runner("run", "--quiet", job).stdout
        for job in ("heartbeat", "disk-space", "pipeline", "fibonacci")
    }
    assert said["heartbeat"].startswith("alive at ")
    assert said["disk-space"].endswith("% of the disk is used\n")
    assert said["pipeline"].startswith("report | 5 words in ")
    assert said["fibonacci"] == "fibonacci(20) = 6765\n"


def test_a_parameter_decides_and_a_wrong_one_is_refused(examples: Desk) -> None:
    assert examples.runner("run", "disk-space", "-p", "limit=1", check=False).returncode == 1
    refused = examples.runner("run", "disk-space", "-p", "limit=lots", check=False)
    assert refused.returncode == 2
    assert "'lots' is not a whole number" in refused.stderr


def test_served_as_make_run_serves_them(examples: Desk) -> None:
    served = examples.serve()
    served.wait_for("5 jobs, 5 scheduled, 1 channel")
    served.wait_for("heartbeat succeeded in")
    served.wait_for("pipeline succeeded in")
    assert served.stop() == 0


def test_the_job_that_fails_is_heard_of_and_its_recovery_too(examples: Desk) -> None:
    # The job goes by the second of the wall clock; a copy of it goes by a file, to be asked at any second.
    text = (examples.directory / "jobs.yaml").read_text()
    old = "second=$(date +%S)"
    assert old in text
    (examples.directory / "second").write_text("01")
    examples.write(text.replace(old, f"second=$(cat {examples.directory}/second)"))
    served = examples.serve()
    served.wait_for("5 jobs, 5 scheduled")
    examples.runner("trigger", "flaky")
    served.wait_for("ALERT flaky failed (exit code 3)")
    served.wait_for("the first half of the minute is no good")
    (examples.directory / "second").write_text("31")
    examples.runner("trigger", "flaky")
    served.wait_for("NEWS flaky recovered after")
    assert served.stop() == 0
    flaky = [run for run in examples.history() if run["job"] == "flaky"]
    assert {run["status"] for run in flaky} >= {"failed", "succeeded"}


def test_the_jobs_that_ran_in_the_foreground_are_listed_with_their_end(examples: Desk) -> None:
    examples.runner("run", "heartbeat")
    listed = json.loads(examples.runner("list", "--json").stdout)
    (heartbeat,) = [job for job in listed["jobs"] if job["id"] == "heartbeat"]
    assert heartbeat["last"]["status"] == "succeeded"
