"""The main job with real processes: serve, edit, break, stop, kill."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from runner import __version__
from tests.process.conftest import Desk
from tests.waiting import PATIENCE

Until = Callable[..., None]

EVERY_SECOND = """\
jobs:
  tick:
    schedule: "* * * * * *"
    run: echo tock
"""

TOLD = """\
channels: {out: "log:"}
defaults: {timeout: 1m, notify: {on_failure: out}}
jobs:
  tick: {schedule: every 1h, run: echo tock}
"""


def test_the_four_line_file_runs_and_says_so(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    served = desk.serve()
    served.wait_for("1 job, 1 scheduled")
    served.wait_for("state:", "state")
    served.wait_for("timezone:", "the machine's")
    served.wait_for("next: tick at")
    served.wait_for("tick started (planned")
    served.wait_for("tick succeeded in")
    assert served.stop() == 0
    assert "stopped" in served.rest()
    runs = desk.history()
    assert runs
    assert {run["status"] for run in runs} == {"succeeded"}


def test_an_edit_is_live_within_a_second(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    served = desk.serve()
    served.wait_for("tick succeeded")
    took: list[float] = []
    # A busy machine adds to some of them; without events not one would be so quick.
    while min(took, default=60.0) >= 1.0 and len(took) < 20:
        desk.write(EVERY_SECOND + '  tack:\n    schedule: "* * * * * *"\n    run: echo tick\n')
        began = time.monotonic()
        served.wait_for("1 added (tack), 1 unchanged")
        took.append(time.monotonic() - began)
        served.wait_for("tack succeeded")
        desk.write(EVERY_SECOND)
        served.wait_for("1 removed (tack), 1 unchanged")
    assert min(took) < 1.0, took


def test_a_reload_that_changes_nothing_is_told_to_whoever_asked(desk: Desk) -> None:
    desk.write(EVERY_SECOND.replace('"* * * * * *"', "every 1h"))
    served = desk.serve()
    served.wait_for("next: tick")
    served.process.send_signal(signal.SIGHUP)
    served.wait_for("told to reload: 1 unchanged")
    desk.runner("reload")
    served.wait_for("asked to reload: 1 unchanged")
    said = desk.runner("db", "copy", f"sqlite:///{desk.directory}/copy.db")
    assert said.stderr == (
        "a runner is at work: what it does from now on is not in the copy, and would be done again\n"
    )


def test_an_address_that_no_time_mends_ends_it_at_once(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    served = desk.serve(environ={"RUNNER_DATABASE_URL": "postgresq://user:word@host/db"})
    served.wait_for("there is no kind of database 'postgresq'")
    assert served.process.wait(20) == 2


def test_a_broken_edit_keeps_the_last_good_file_running(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    served = desk.serve()
    served.wait_for("tick succeeded")
    desk.write(EVERY_SECOND.replace("schedule", "shedule"))
    served.wait_for("error[")
    served.wait_for("jobs.yaml:3:5")
    served.wait_for("the last good configuration keeps running")
    served.wait_for("tick succeeded")
    status = json.loads(desk.runner("status", "--json").stdout)
    assert (status["version"], status["runner"]) == (1, __version__)
    assert status["config"]["ok"] is False
    assert "shedule" in status["config"]["error"]
    # What `validate` refuses is refused here as well.
    desk.write('channels: {ops: "slakc://a"}\n' + EVERY_SECOND)
    served.wait_for("error[bad-address]")
    served.wait_for("jobs.yaml:1:17")
    served.wait_for("the last good configuration keeps running")
    desk.write(EVERY_SECOND)
    served.wait_for("the file changed: 1 unchanged")
    assert json.loads(desk.runner("status", "--json").stdout)["config"]["ok"] is True


def test_a_broken_edit_is_told_to_the_channels_and_so_is_its_mending(desk: Desk) -> None:
    good = 'channels: {ops: "log:"}\ndefaults: {notify: {on_failure: ops}}\n' + EVERY_SECOND
    desk.write(good)
    served = desk.serve()
    served.wait_for("tick succeeded")
    desk.write(good.replace("schedule", "shedule"))
    served.wait_for("ALERT ", "jobs.yaml is broken")
    served.wait_for("| ", "jobs.yaml:5:5")
    served.wait_for(f"told ops: config of {desk.file}")
    desk.write(good)
    served.wait_for("NEWS ", "jobs.yaml is good again")


def test_a_file_that_lost_most_of_its_jobs_is_held_back(desk: Desk) -> None:
    jobs = "".join(f"  job{n}:\n    schedule: every 1h\n    run: 'true'\n" for n in range(10))
    desk.write("jobs:\n" + jobs)
    served = desk.serve()
    served.wait_for("10 jobs, 10 scheduled")
    served.wait_for("next:")
    desk.write("jobs:\n  job0:\n    schedule: every 1h\n    run: 'true'\n")
    served.wait_for("now has 1 of the 10 jobs it had; nothing was changed")
    assert len(json.loads(desk.runner("list", "--json").stdout)["jobs"]) >= 1
    desk.runner("reload", "--allow-shrink")
    served.wait_for("9 removed")


def test_a_failing_job_is_told_to_an_http_sink(desk: Desk, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    host = httpserver.url_for("/hook").removeprefix("http://")
    desk.write(
        f"""\
channels:
  ops: json://{host}
jobs:
  fails:
    schedule: "* * * * * *"
    run: echo the disk is full; exit 3
    notify: {{on_failure: ops}}
"""
    )
    served = desk.serve()
    served.wait_for("fails failed")
    served.wait_for("told ops")
    request, _ = httpserver.log[0]
    told = json.loads(request.get_data())
    text = told["title"] + told["message"]
    assert "fails" in text
    assert "exit code 3" in text
    assert "the disk is full" in text
    assert "runner logs" in text


def test_an_alert_that_cannot_be_told_yet_is_said(desk: Desk, httpserver: HTTPServer) -> None:
    """By the channel's name, once, and without the token in its address."""
    httpserver.expect_request("/hook").respond_with_data("no", status=503)
    host = httpserver.url_for("/").removeprefix("http://")
    desk.write(
        f"channels: {{hook: json://me:t0ken@{host}hook}}\n"
        "jobs: {bad: {timeout: 1m, notify: {on_failure: hook}, run: exit 1}}\n"
    )
    served = desk.serve()
    served.wait_for("nothing is scheduled")
    desk.runner("trigger", "bad")
    line = served.wait_for("could not tell hook: failure of bad: ")
    assert "; trying again in " in line
    assert served.stop() == 0
    assert not [line for line in served.rest().splitlines() if "t0ken" in line]
    assert [line for line in served.lines if "Failed to send JSON" in line] == [line]


def test_sigterm_waits_for_what_runs(desk: Desk, tmp_path: Path) -> None:
    waits = "while [ ! -e go ]; do sleep 0.05; done; echo done > done"
    desk.write(f"jobs:\n  slow:\n    run: {waits}\n")
    served = desk.serve()
    served.wait_for("nothing is scheduled")
    run = desk.runner("trigger", "slow").stdout.strip()
    served.wait_for("slow started (manual")
    served.process.send_signal(signal.SIGTERM)
    served.wait_for("stopping: waiting up to 20 s for 1 run")
    assert served.process.poll() is None
    (tmp_path / "go").touch()
    assert served.process.wait(PATIENCE) == 0
    assert (tmp_path / "done").exists()
    assert [(r["id"], r["status"]) for r in desk.history()] == [(run, "succeeded")]


def test_after_the_grace_the_rest_is_stopped(desk: Desk) -> None:
    desk.write("jobs:\n  slow:\n    run: sleep 300\n    stop_grace_period: 1s\n")
    served = desk.serve("--grace", "1s", "--on-shutdown", "stop")
    served.wait_for("nothing is scheduled")
    desk.runner("trigger", "slow")
    served.wait_for("slow started")
    served.process.send_signal(signal.SIGTERM)
    served.wait_for("waiting up to 1 s for 1 run")
    assert served.process.wait(PATIENCE) == 0
    (run,) = desk.history()
    assert (run["status"], run["reason"]) == ("cancelled", "shutdown")


def test_a_second_sigterm_ends_at_once_and_the_next_runner_knows_the_rest(desk: Desk) -> None:
    desk.write("jobs:\n  slow:\n    run: while [ ! -e go ]; do sleep 0.05; done; exit 7\n")
    served = desk.serve()
    served.wait_for("nothing is scheduled")
    desk.runner("trigger", "slow")
    served.wait_for("slow started")
    served.process.send_signal(signal.SIGTERM)
    served.wait_for("waiting up to 20 s for 1 run")
    assert served.stop() == 0
    assert "stopping at once; 1 run left to the next runner" in served.rest()
    again = desk.serve()
    (desk.directory / "go").touch()
    again.wait_for("slow failed")
    (run,) = desk.history()
    assert run["status"] == "failed"
    steps = run["steps"]
    assert isinstance(steps, list)
    assert steps[0]["exit_code"] == 7
    assert steps[0]["attempt"] == 1


def test_a_second_serve_stands_by_and_takes_over(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    first = desk.serve()
    first.wait_for("tick succeeded")
    second = desk.serve()
    said = second.wait_for("is already served by process", str(first.process.pid), "standing by")
    assert re.search(r", since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; standing by$", said)
    second.process.send_signal(signal.SIGHUP)
    second.wait_for("told to reload: it is good, and counts once this runner leads")
    first.kill()
    second.wait_for("tick started")
    assert second.stop() == 0


def test_who_stands_by_tells_nobody_of_the_file(desk: Desk) -> None:
    """The leader told of the broken edit and of its mending: a later leader has nothing to add."""
    desk.write(TOLD)
    first = desk.serve()
    first.wait_for("next: tick at")
    second = desk.serve()
    second.wait_for("standing by")
    desk.write("jobs: {")
    first.wait_for("told out: config")
    second.wait_for("the last good configuration keeps running")
    desk.write(TOLD)
    first.wait_for("told out: config")
    second.wait_for("it is good again; standing by")
    first.kill()
    second.wait_for("next: tick at")
    desk.runner("trigger", "tick")
    second.wait_for("tick succeeded")
    assert second.stop() == 0
    assert "is broken" not in second.rest()


def test_a_broken_edit_is_told_though_the_runner_died_of_an_earlier_one(desk: Desk) -> None:
    desk.write(TOLD)
    first = desk.serve()
    first.wait_for("next: tick at")
    desk.write("jobs: {")
    first.wait_for("told out: config")
    first.kill()
    desk.write(TOLD)
    second = desk.serve()
    second.wait_for("NEWS ", "jobs.yaml is good again")
    desk.write("jobs: {")
    second.wait_for("ALERT ", "jobs.yaml is broken")


def test_commands_reach_the_running_service(desk: Desk) -> None:
    desk.write(EVERY_SECOND)
    served = desk.serve()
    served.wait_for("tick succeeded")
    desk.runner("pause", "tick", "--note", "for a while")
    served.wait_for("tick paused")
    (job,) = json.loads(desk.runner("list", "--json").stdout)["jobs"]
    assert job["state"] == "paused"
    desk.runner("resume", "tick")
    served.wait_for("tick resumed")
    served.wait_for("tick succeeded")
    unknown = desk.runner("trigger", "tock", check=False)
    assert unknown.returncode == 5
    assert "did you mean tick?" in unknown.stderr
    assert served.stop() == 0
    nobody = desk.runner("status", check=False)
    assert nobody.returncode == 4
    assert "start one with: runner serve" in nobody.stderr


def test_a_pause_ends_at_a_moment_in_the_jobs_zone(desk: Desk) -> None:
    desk.write("jobs:\n  far: {schedule: at 02:00, timezone: Pacific/Kiritimati, run: echo far}\n")
    served = desk.serve()
    served.wait_for("next: far at")
    said = desk.runner("pause", "far", "--until", "2099-01-01T00:00")
    assert said.stdout == "far: paused until Thu 01 Jan 2099 00:00 Pacific/Kiritimati\n"
    (job,) = json.loads(desk.runner("list", "--json").stdout)["jobs"]
    assert job["paused_until"] == "2099-01-01T00:00:00+14:00"
    desk.runner("pause", "far", "--until", "2h")
    (job,) = json.loads(desk.runner("list", "--json").stdout)["jobs"]
    ahead = _utc(job["paused_until"]) - time.time()
    assert 3600 < ahead <= 7200


def test_a_runner_that_is_frozen_is_not_taken_for_none(desk: Desk) -> None:
    desk.write(TOLD)
    served = desk.serve()
    served.wait_for("next: tick at")
    served.process.send_signal(signal.SIGSTOP)
    asked = desk.runner("status", check=False)
    served.process.send_signal(signal.SIGCONT)
    assert asked.returncode == 4
    assert f"does not answer (process {served.process.pid} on " in asked.stderr


def test_a_trigger_can_be_followed_and_stopped(desk: Desk) -> None:
    desk.write("jobs:\n  slow:\n    run: sleep 300\n    stop_grace_period: 1s\n")
    served = desk.serve()
    served.wait_for("nothing is scheduled")
    run = desk.runner("trigger", "slow").stdout.strip()
    served.wait_for("slow started")
    desk.runner("stop", run)
    served.wait_for("slow cancelled")
    assert [r["status"] for r in desk.history()] == ["cancelled"]


@pytest.mark.parametrize("kills", [25])
def test_kills_lose_nothing_and_repeat_nothing(desk: Desk, tmp_path: Path, kills: int, until: Until) -> None:
    """SIGKILL at any moment: every slot is accounted for once, and no process starts twice."""
    starts = tmp_path / "starts"
    desk.write(
        """\
jobs:
  tick:
    schedule: "* * * * * *"
    catchup: {runs: all, window: 10m, max: 1000}
    concurrency: {overlap: allow, max: 50}
    on_interrupt: fail
    run: echo "$RUNNER_SCHEDULED_AT $RUNNER_ATTEMPT" >> starts; sleep 0.4
"""
    )
    for number in range(kills):
        served = desk.serve()
        served.wait_for("tick started")
        # Another instant of the second each time, without chance: claims, spawns and ends are all hit.
        time.sleep((number * 37 % 100) / 100)
        served.kill()
    served = desk.serve()
    served.wait_for("tick started")
    served.wait_for("tick succeeded")
    desk.runner("pause", "tick")
    live = ("running", "pending", "waiting")

    def through() -> bool:
        return not [run for run in desk.history("-n", "100000") if run["status"] in live]

    until(through, "what was missed is caught up", 120)
    assert served.stop() == 0
    document = json.loads(desk.runner("history", "--json", "--all", "-n", "100000").stdout)
    begun = [line.split()[0] for line in starts.read_text().splitlines()]
    assert len(begun) == len(set(begun)), "a slot started twice"
    recorded = [run["scheduled_at"] for run in document["runs"]]
    assert len(recorded) == len(set(recorded))
    assert {_utc(slot) for slot in begun} <= {_utc(slot) for slot in recorded}
    slots = sorted(_utc(slot) for slot in recorded)
    missing = [slot for slot in range(slots[0], slots[-1]) if slot not in set(slots)]
    assert not missing, f"slots without a row: {missing}"
    assert not [run for run in document["runs"] if run["status"] in ("running", "pending", "waiting")]


def _utc(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(re.sub("Z$", "+00:00", text)).timestamp())


def test_one_that_stands_by_hears_no_ends_of_the_leader(desk: Desk, tmp_path: Path, until: Until) -> None:
    """Both have one state directory: the pipe that ends are told through must have one reader."""
    desk.write("jobs:\n  slow:\n    run: until test -e go; do sleep 0.05; done; touch gone\n")
    first = desk.serve()
    first.wait_for("nothing is scheduled")
    desk.runner("trigger", "slow")
    first.wait_for("slow started")
    second = desk.serve()
    second.wait_for("standing by")
    first.process.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    until((tmp_path / "gone").exists, "the command is through")
    until(lambda: desk.marked(), "its end is marked")
    time.sleep(0.5)  # the one that stands by has all the time to read what is not for it
    first.process.send_signal(signal.SIGCONT)
    first.wait_for("slow succeeded")
    assert second.stop() == 0


def test_what_ended_while_nobody_was_there_keeps_nothing_from_running(desk: Desk, until: Until) -> None:
    """A command outlives its runner and ends; the time that was due since is caught up, and no overlap."""
    script = "touch begun; while ! test -e go; do sleep 0.02; done"
    desk.write(f'jobs:\n  long:\n    schedule: "*/3 * * * * *"\n    run: {script}\n')
    served = desk.serve()
    until((desk.directory / "begun").exists, "the command begins")
    served.kill()
    (desk.directory / "go").touch()
    until(lambda: desk.marked(), "its end is marked")
    ended = time.time()
    until(lambda: time.time() > (ended // 3 + 1) * 3 + 0.5, "a time is due meanwhile")
    again = desk.serve()
    again.wait_for("long started (planned")
    assert again.stop() == 0
    others = [run for run in desk.history("--all") if run["status"] == "skipped"]
    since = [run for run in others if datetime.fromisoformat(str(run["scheduled_at"])).timestamp() > ended]
    assert since == []


def test_status_says_how_the_disk_is_where_nothing_runs(desk: Desk, until: Callable[..., None]) -> None:
    jobs = "jobs: {quiet: {run: 'true'}}\nstorage: {keep_free: %s}\n"
    desk.write(jobs % "1000000G")
    desk.serve().wait_for("nothing is scheduled")
    until(lambda: "nearly full" in desk.runner("status").stdout, "it says so though no output is written")
    desk.write(jobs % "1K")
    until(lambda: "nearly full" not in desk.runner("status").stdout, "it says that there is room again")
