"""E. Configuration: broken, cut, replaced in every way there is, read again and again while jobs run."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.config.mistaken import DIRECTORY
from tests.config.mistaken import read as mistakes_in
from tests.faults.checker import check, read
from tests.faults.conftest import Stage
from tests.faults.figures import judge, record, size
from tests.faults.rig import MARK, Runner, Scene, every_second
from tests.waiting import wait_until

KEPT = "the last good configuration keeps running"
PLACE = re.compile(r"jobs\.yaml:\d+:\d+")


def count(runner: Runner, words: str) -> int:
    return runner.said().count(words)


def put(file: Path, text: str) -> None:
    """Replace a file as a whole."""
    aside = file.with_name(f"{file.name}.aside")
    aside.write_text(text)
    aside.replace(file)


def ended(scene: Scene, runner: Runner) -> dict[str, int]:
    """A clean stop; the figures where nothing was lost and nothing ran twice."""
    assert runner.stop() == 0
    verdict = check(read(scene), over=False)
    assert verdict.good, str(verdict)
    return verdict.figures


def test_case_29_broken_files(stage: Stage) -> None:
    kinds = [
        each
        for path in sorted(DIRECTORY.glob("*.txt"))
        for each in mistakes_in(path)
        if PLACE.search(each.said.splitlines()[1])
    ]
    wanted = size(30, len(kinds))
    kinds = kinds[:: max(1, len(kinds) // wanted)][:wanted]
    good = every_second(2)
    scene = stage(good)
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    unnamed: list[str] = []
    for kind in kinds:
        before, at = count(runner, KEPT), len(runner.said())
        put(scene.file, kind.text)
        wait_until(partial(lambda b: count(runner, KEPT) > b, before), kind.name)
        if not set(PLACE.findall(kind.said)) <= set(PLACE.findall(runner.said()[at:])):
            unnamed.append(f"{kind.name}: {runner.said()[at:][:500]}")
    assert not unnamed
    status = scene.cli("status").stdout
    assert "broken" in status or "keeps running" in status, status
    scene.wait_start()
    put(scene.file, good)
    runner.wait_says("the file changed: 2 unchanged")
    figures = {**ended(scene, runner), "file, line and column named": len(kinds)}
    record(
        "29",
        "kinds of broken file, one after another",
        len(kinds),
        figures,
        "the jobs go on, each place named",
    )


def test_case_30_cut_at_every_byte(stage: Stage) -> None:
    text = "jobs:\n" + "".join(
        f'  job{n}:\n    schedule: "{n} 2 * * *"\n    command: [echo, "number {n}"]\n    env: {{A: "{n}"}}\n'
        for n in range(10)
    )
    places = list(range(1, len(text) - 1))
    wanted = size(30, len(places))
    places = places[:: max(1, len(places) // wanted)][:wanted]
    scene = stage(text)
    runner = scene.serve()
    runner.wait_lead()
    runner.wait_says("next:")
    verdicts = re.compile(rf"{KEPT}|nothing was changed|the file changed: .*")
    whole, shrunk = 0, 0
    for at in places:
        begin = len(runner.said())
        put(scene.file, text[:at])
        wait_until(partial(lambda b: verdicts.search(runner.said()[b:]), begin), f"cut at {at}")
        said = runner.said()[begin:]
        if "removed" in said:
            # At a line's end a cut may be what somebody typed: half of the jobs may go, and each is told.
            assert text[at - 1] == "\n", said
            gone = re.search(r"\b(\d+) removed \(([^)]*)\)", said)
            assert gone is not None, said
            assert len(gone[2].split(", ")) == int(gone[1]) <= 5, said
            shrunk += 1
        begin = len(runner.said())
        put(scene.file, text)
        if "the file changed" in said or KEPT in said:
            wait_until(partial(lambda b: "the file changed" in runner.said()[b:], begin), "it is whole again")
        whole += 1
    assert runner.stop() == 0
    figures = {"accepted amid a line": 0, "at a line's end, half the jobs left, each removal told": shrunk}
    record("30", "a file of 10 jobs cut at a byte", whole, figures, "0 accepted with jobs missing unseen")


def version(scene: Scene) -> str:
    """What the job `mark` says in the store now."""
    connection = sqlite3.connect(scene.directory / "state" / "runner.db")
    try:
        found = connection.execute(
            "SELECT s.spec FROM runner_jobs j JOIN runner_specs s ON s.digest = j.digest WHERE j.id = 'mark'"
        ).fetchone()
    finally:
        connection.close()
    found_version = re.search(r"version-(\w+)", found[0]) if found else None
    return found_version[1] if found_version else ""


def saying(name: str) -> str:
    return every_second(1) + f"  mark:\n    run: echo version-{name}\n"


def renamed(file: Path, text: str) -> None:
    put(file, text)


def truncated(file: Path, text: str) -> None:
    with file.open("w") as writing:
        writing.write(text[: len(text) // 2])
        writing.flush()
        time.sleep(0.005)
        writing.write(text[len(text) // 2 :])


def as_vim(file: Path, text: str) -> None:
    """The old one is moved aside, the new one written in its place, the old one removed."""
    aside = file.with_name(f"{file.name}~")
    file.rename(aside)
    file.write_text(text)
    aside.unlink()


def as_sed(file: Path, text: str) -> None:
    other = file.with_name("sedXY12")
    other.write_text(text)
    os.replace(other, file)


def deleted_first(file: Path, text: str) -> None:
    file.unlink()
    time.sleep(0.1)
    file.write_text(text)


def as_config_map(file: Path, text: str) -> None:
    """A directory beside it that a link names is swapped; the file is a link through it."""
    here = file.parent
    new = here / f"..{time.monotonic_ns()}"
    new.mkdir()
    (new / "jobs.yaml").write_text(text)
    link = here / "..data_tmp"
    link.symlink_to(new.name)
    os.replace(link, here / "..data")
    if not file.is_symlink():
        file.unlink()
        file.symlink_to("..data/jobs.yaml")


def by_git(file: Path, text: str) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *identity, *words], cwd=file.parent, check=True, capture_output=True)

    if not (file.parent / ".git").exists():
        git("init", "-q", "-b", "main")
        git("add", "jobs.yaml")
        git("commit", "-qm", "first")
    name = f"b{time.monotonic_ns()}"
    here = file.read_text()
    git("checkout", "-qb", name)
    file.write_text(text)
    git("commit", "-qam", "edit")
    git("checkout", "-q", "main")
    assert file.read_text() == here
    git("checkout", "-q", name)
    git("branch", "-f", "main", name)
    git("checkout", "-q", "main")


STYLES: dict[str, tuple[Callable[[Path, str], None], int]] = {
    "renamed": (renamed, 200),
    "truncated": (truncated, 50),
    "as vim": (as_vim, 50),
    "as sed": (as_sed, 50),
    "deleted first": (deleted_first, 20),
    "ConfigMap": (as_config_map, 100),
    "git checkout": (by_git, 50),
}


@pytest.mark.parametrize("style", STYLES)
def test_case_31_styles_of_saving(stage: Stage, style: str) -> None:
    write, often = STYLES[style]
    times = size(5, often)
    scene = stage(saying("first"))
    if style == "ConfigMap":
        as_config_map(scene.file, saying("first"))
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    longest = 0.0
    for number in range(times):
        for part in range(3 if style == "renamed" else 1):
            write(scene.file, saying(f"{number}x{part}"))
        last = f"{number}x{2 if style == 'renamed' else 0}"
        longest = max(
            longest, wait_until(partial(lambda w: version(scene) == w, last), f"edit {last} is live")
        )
    if style == "deleted first":
        scene.file.unlink()
        scene.wait_start()
        scene.wait_start()
        assert version(scene) == last
        scene.file.write_text(saying("back"))
        wait_until(lambda: version(scene) == "back", "it is there again")
    figures = {**ended(scene, runner), "seen after, s": longest}
    record(f"31 {style}", f"edits, {style}", times, figures, "each final state seen <= 2 s")
    judge(f"31 {style}", longest)


def test_case_32_one_bad_file_of_many(stage: Stage) -> None:
    names = [f"part{n}.yaml" for n in range(size(5, 50))]

    def part(number: int, word: str) -> str:
        return f"jobs:\n  job{number}: {{schedule: every 1h, run: echo {word}}}\n"

    def main(isolate: bool) -> str:
        return (
            "include: part*.yaml\n" + ("isolate_files: true\n" if isolate else "") + every_second(1 + isolate)
        )

    scene = stage(main(isolate=False))
    files = [scene.directory / name for name in names]
    for number, file in enumerate(files):
        file.write_text(part(number, "old"))
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    before = count(runner, KEPT)
    put(files[0], "jobs:\n  job0: {rum: x}\n")
    wait_until(lambda: count(runner, KEPT) > before, "the broken file is told")
    before = count(runner, KEPT)
    put(files[1], part(1, "new"))
    wait_until(lambda: count(runner, KEPT) > before, "nothing is applied")
    assert "1 changed" not in runner.said()
    put(files[0], part(0, "old"))
    runner.wait_says("1 changed (job1)")
    put(scene.file, main(isolate=True))
    runner.wait_says("1 added (tick1)")
    put(files[0], "jobs:\n  job0: {rum: x}\n")
    runner.wait_says("the jobs of the broken files keep their last good form")
    put(files[2], part(2, "new"))
    runner.wait_says("1 changed (job2)")
    assert "part0.yaml:2:10" in runner.said()
    assert "removed" not in runner.said()
    put(files[0], part(0, "old"))
    record("32", "one bad file of many", len(files), ended(scene, runner),
           "nothing applied; isolated: the others are")  # fmt: skip


def test_case_33_reloads(stage: Stage) -> None:
    times = size(12, 200)
    jobs = every_second(20)
    scene = stage(jobs + "  other: {run: echo 0}\n")
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    told = "1 changed (other), 20 unchanged"
    for number in range(1, times + 1):
        put(scene.file, jobs + f"  other: {{run: echo {number}}}\n")
        time.sleep(0.3)
        wait_until(partial(lambda n: count(runner, told) == n, number), "it is read")
    scene.wait_start()
    scene.wait_start()
    figures = {**ended(scene, runner), "reloads seen": count(runner, told)}
    record("33", "reloads, one each 0.3 s, beside 20 per-second jobs", times, figures, "0 lost, 0 twice")


def test_case_34_edited_while_it_runs(stage: Stage) -> None:
    """Edited, renamed, removed: what runs ends as it began, what waits is told, what was stays in the history."""
    wait = f"{MARK}; while ! test -e go; do sleep 0.02; done; exit"

    def file(**jobs: int) -> str:
        return every_second(1) + "".join(
            f"  {name}:\n    concurrency: queue\n    run: |\n      {wait} {code}\n"
            for name, code in jobs.items()
        )

    scene = stage(file(edited=5, renamed=6, removed=7))
    runner = scene.serve()
    runner.wait_lead()
    for job in ("edited", "renamed", "removed"):
        scene.trigger(job)
    wait_until(lambda: sum(f"{job}@" in scene.starts.read_text() for job in ("edited", "renamed", "removed")) == 3,
               "all have begun")  # fmt: skip
    scene.trigger("removed")
    put(scene.file, file(edited=15, other=16))
    runner.wait_says("1 added (other), 1 changed (edited), 2 removed (renamed, removed)")
    (scene.directory / "go").touch()
    wait_until(lambda: all(run.ended_at for job in ("edited", "renamed", "removed") for run in read(scene).of(job)),
               "all have ended")  # fmt: skip
    scene.trigger("edited")
    wait_until(
        lambda: len(read(scene).of("edited")) == 2 and read(scene).of("edited")[1].ended_at,
        "the new one ends",
    )
    book = read(scene)
    codes = {
        job: [run.steps[0]["outcome"]["exit_code"] for run in book.of(job) if run.status == "failed"]
        for job in ("edited", "renamed", "removed")
    }
    assert codes == {"edited": [5, 15], "renamed": [6], "removed": [7]}
    (queued,) = (run for run in book.of("removed") if run.status != "failed")
    assert (queued.status, queued.reason) == ("cancelled", "removed")
    assert "renamed" in scene.cli("history", "--json").stdout
    figures = {**ended(scene, runner), "ended as they began": 3, "waiting, told cancelled(removed)": 1}
    record(
        "34", "a job edited, renamed, removed while it runs", 3, figures, "ends as it began, history stays"
    )
