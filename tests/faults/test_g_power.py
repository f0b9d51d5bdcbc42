"""G. The power goes: case 48. Everything a real runner does to files is recorded, and the disk is built again as it
may be after a power loss at any instant; the real runner then begins on it."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import uuid
from functools import partial
from pathlib import Path

import pytest

from tests.faults.checker import Start, check, read, start
from tests.faults.conftest import Stage
from tests.faults.disk import Deed, Disk, How, deeds
from tests.faults.figures import SEED, record, size
from tests.faults.rig import MARK, Scene
from tests.waiting import PATIENCE, wait_until

JOBS = "jobs:\n" + "".join(
    f"""\
  {name}:
    schedule: "* * * * * *"
    catchup: none
    concurrency: {{overlap: allow, max: 50}}
    on_interrupt: {policy}
    run: |
      {MARK}; {rest}
"""
    for name, policy, rest in (
        ("quick", "fail", "true"),
        ("long", "fail", "sleep 1.5"),
        ("again", "retry", "test $RUNNER_ATTEMPT = 2 || sleep 1.5"),
        ("bad", "fail", "exit 3"),
    )
)
HOWS: tuple[How, ...] = ("synced", "some", "prefix", "all")
Key = tuple[str, int, str]


def built(directory: Path) -> Path:
    """The recorder, compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc): the recorder of writes cannot be built")
    made = directory / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def recorded(scene: Scene, recorder: Path, seconds: float) -> list[Deed]:
    """A runner that begins, ends well, begins again, is killed, and begins again: all that happened on the disk."""
    to = recorder.with_name("deeds")
    environ = {"LD_PRELOAD": str(recorder), "RECORD_ROOT": str(scene.directory), "RECORD_TO": str(to)}
    for end in ("stop", "kill", "stop"):
        runner = scene.serve(environ=environ)
        runner.wait_lead()
        before = scene.started()
        wait_until(
            partial(lambda b: scene.started() - b > seconds * 4, before),
            "it starts things",
            PATIENCE + 2 * seconds,
        )
        if end == "kill":
            runner.kill()
        else:
            assert runner.stop() == 0
    return deeds(to)


def over(status: str) -> bool:
    return status not in ("pending", "running", "waiting")


def begun(done: list[Deed], count: int) -> list[str]:
    """The commands that had begun: what they had written by then."""
    text = b"".join(deed.data for deed in done[:count] if deed.what == "w" and deed.path.endswith("/starts"))
    return text.decode().splitlines()


def cuts(done: list[Deed], count: int, dice: random.Random) -> list[int]:
    """Half of them anywhere, half around what matters: the end of a sync, the beginning of a command."""
    marks = [
        number
        for number, deed in enumerate(done)
        if deed.what in "sS" or re.search(r"/(starts|runs/[0-9a-f]{32})\Z", deed.path)
    ]
    near = [dice.choice(marks) + dice.randint(0, 2) for _ in range(count // 2)]
    anywhere = [dice.randint(1, len(done)) for _ in range(count - len(near))]
    return sorted(min(each, len(done)) for each in near + anywhere)


def rows(database: Path) -> dict[Key, str]:
    """Run -> its status, of a database as it lies there. It must open and be whole."""
    if not database.exists() or not database.stat().st_size:
        return {}
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "runner_runs" not in tables:
            return {}
        found = connection.execute("SELECT job, slot, nonce, status FROM runner_runs").fetchall()
    finally:
        connection.close()
    return {(job, slot, nonce): status for job, slot, nonce, status in found}


def lay(scene: Scene, disk: Disk, how: How, dice: random.Random) -> dict[Key, str]:
    """Put the state directory as it may be in place of the one there is; the runs that are in it."""
    state = scene.directory / "state"
    shutil.rmtree(state, ignore_errors=True)
    disk.write("state", how, dice)
    aside = scene.directory / "look"
    shutil.rmtree(aside, ignore_errors=True)
    if state.exists():
        shutil.copytree(state, aside)
    return rows(aside / "runner.db")


def go_on(scene: Scene, recorder: Path, lines: list[str], left: set[Key]) -> None:
    """The machine is up again, and so is the runner: what was under way is settled, and new things begin."""
    scene.starts.write_text("".join(f"{line}\n" for line in lines))
    boot = recorder.with_name("boot")
    boot.write_text(f"{uuid.uuid4()}\n")
    runner = scene.serve(environ={"LD_PRELOAD": str(recorder), "RECORD_BOOT": str(boot)})
    runner.wait_lead()
    wait_until(
        lambda: not left & {(run.job, run.slot, run.nonce) for run in read(scene).live}, "all are settled"
    )
    scene.wait_start()
    runner.kill()
    scene.kill_commands()
    book = read(scene)
    verdict = check(book, over=False)
    assert verdict.good, str(verdict)


def test_case_48_power_loss(stage: Stage, tmp_path: Path) -> None:
    count, begins = size(60, 500), size(3, 500)
    scene = stage(JOBS)
    recorder = built(tmp_path)
    done = recorded(scene, recorder, size(1, 30))
    dice = random.Random(SEED)
    instants = cuts(done, count, dice)
    start_at = set(dice.sample(range(count), begins))
    commands = 0
    for number, cut in enumerate(instants):
        how = HOWS[number % len(HOWS)]
        told = f"RUNNER_FAULTS_SEED={SEED}, cut {number} after {cut} of {len(done)} deeds, {how}"
        disk = Disk(scene.directory, done, cut)
        certain = lay(scene, disk, "synced", dice)
        found = lay(scene, disk, how, dice)
        lines = begun(done, cut)
        commands += len(lines)
        lost = [
            key for key in certain if key not in found or (over(certain[key]) and found[key] != certain[key])
        ]
        assert not lost, f"{told}: committed, and lost: {lost}"
        unknown = [line for line in lines if _run(start(line)) not in found]
        assert not unknown, f"{told}: begun without a row: {unknown}"
        if number in start_at:
            left = {key for key, status in found.items() if not over(status)}
            try:
                go_on(scene, recorder, lines, left)
            except AssertionError as error:
                raise AssertionError(f"{told}: {error}") from error
    figures = {"deeds on the disk recorded": len(done), "databases opened": count, "runners begun on them": begins,
               "commands begun before the cuts": commands, "committed, and lost": 0, "begun without a row": 0,
               "started twice": 0}  # fmt: skip
    record(
        "48", "power loss at any instant, what was not synced torn", count, figures, "opens, 0 lost, 0 twice"
    )


def _run(begun: Start) -> Key:
    return begun.job, begun.slot, begun.nonce
