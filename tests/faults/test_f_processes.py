"""F. Processes and output: floods, escapes, many at once, a machine that refuses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from textwrap import indent

import psutil
import pytest

from runner.core.run import AttemptKey, RunKey
from runner.executors import capture
from runner.executors.output import lines, path_of, read, size
from runner.spec import JobKey
from tests.executors.test_stopping import killed
from tests.faults import checker
from tests.faults.conftest import Stage
from tests.faults.figures import SEED, judge, record
from tests.faults.figures import size as how_many
from tests.faults.rig import MARK, Runner, Scene, dice, every_second
from tests.waiting import PATIENCE, wait_until

MIB = 1 << 20


def log_of(scene: Scene, job: str, attempt: int = 1) -> Path:
    """Where the output of the newest run of a job lies."""
    run = checker.read(scene).of(job)[-1]
    key = RunKey(JobKey("default", scene.source, job), run.slot, run.nonce)
    return path_of(scene.directory / "state", AttemptKey(key, run.steps[0]["step"], attempt))


def ended(scene: Scene, job: str) -> bool:
    runs = checker.read(scene).of(job)
    return bool(runs) and runs[-1].ended_at is not None


def late(scene: Scene, job: str) -> float:
    """By how many seconds the latest start of a job was late."""
    return max(
        (run.started_at - run.slot) / 1e6 for run in checker.read(scene).of(job) if run.started_at is not None
    )


def raw_pipe(command: str) -> float:
    """How many seconds the command takes where `cat` reads it; before and after, for a machine that is not quiet."""
    began = time.monotonic()
    subprocess.run(["sh", "-c", f"{command} | cat >/dev/null"], check=True)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("what", "script"),
    [("lines", "yes 0123456789abcdef | head -c {n}"), ("one endless line", "head -c {n} /dev/zero"),
     ("noise", "head -c {n} /dev/urandom")],
)  # fmt: skip
def test_case_36_floods(stage: Stage, what: str, script: str) -> None:
    brief = what == "one endless line"
    amount = how_many(60_000_000, 200_000_000 if brief else 1_000_000_000)
    # It takes a few hundredths of a second, and the raw pipe sometimes three times what it takes at other times.
    rounds = how_many(1, 9 if brief else 1)
    command = script.format(n=amount)
    scene = stage(every_second(1, name="other") + f"  flood:\n    run: {command}\n")
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    process = psutil.Process(runner.pid)
    before = most = process.memory_info().rss
    ratios: list[float] = []
    worked = 0.0
    for count in range(1, rounds + 1):
        raw = raw_pipe(command)
        worked -= sum(process.cpu_times()[:2])
        began = time.monotonic()
        scene.trigger("flood")
        # By what the runner says: to read the store again and again would take the processor from what is measured.
        while runner.said().count("flood succeeded") < count:
            most = max(most, process.memory_info().rss)
            assert time.monotonic() - began < 600
            time.sleep(0.05)
        wait_until(lambda: ended(scene, "flood"), "its end is stored")
        worked += sum(process.cpu_times()[:2])
        raw = (raw + raw_pipe(command)) / 2
        took = checker.read(scene).of("flood")[-1]
        assert took.status == "succeeded"
        ratios.append(((took.ended_at or 0) - (took.started_at or 0)) / 1e6 / raw)
    path = log_of(scene, "flood")
    kept, content = size(path), read(path)
    assert runner.stop() == 0
    assert len(checker.read(scene).of("flood")) == rounds
    assert kept <= capture.HEAD + capture.PIECE * capture.PIECES
    assert re.search(rb"\n\xe2\x80\xa6 \d+ bytes dropped \xe2\x80\xa6\n", content)
    assert most - before <= 16 * MIB
    figures = {
        "MB": amount // 1_000_000,
        "times a raw pipe": median(ratios),
        "at most": max(ratios),
        "processor time of the runner, s": worked / rounds,
        "memory grew, MiB": (most - before) / MIB,
        "kept, MiB": kept / MIB,
        "others late at most, s": late(scene, "other0"),
    }
    record(
        f"36 {what}",
        f"a command prints {what} without end",
        rounds,
        figures,
        "memory +16 MiB, disk bounded, <= 2x",
    )
    judge("36", median(ratios))
    judge("36 others", late(scene, "other0"))


BLOCK = 4_000_000
"""Lines that are printed at once: far more than a pipe holds, so that none ends while nobody reads."""
IN_BLOCKS = f"""\
n=0
while read -r word <&9 && [ "$word" = go ]; do
  echo "$n" >began; seq "$((n * {BLOCK} + 1))" "$(((n + 1) * {BLOCK}))"; n=$((n + 1)); echo "$n" >printed
done 9<>gate
"""


def test_case_37_nothing_printed_is_lost(stage: Stage) -> None:
    """Killed amid a block of lines that a command prints, each time; and once more where it was too late for that.

    Where it is too late too often, because whoever kills waits for a processor, the runner is frozen before the block
    begins: then the command cannot end before the kill.
    """
    kills = how_many(4, 100)
    scene = stage("jobs:\n  count:\n    run: |\n" + indent(IN_BLOCKS, " " * 6))
    gate, began, printed = (scene.directory / name for name in ("gate", "began", "printed"))
    os.mkfifo(gate)
    runner = scene.serve()
    runner.wait_lead()
    scene.trigger("count")
    amid = held = blocks = 0
    with gate.open("r+b", buffering=0) as opened:
        for turn, wait in enumerate(dice(SEED, 5 * kills, 0.0, 0.02)):
            if turn >= 4 * kills:
                runner.signal(signal.SIGSTOP)
            opened.write(b"go\n")
            wait_until(partial(lambda n: said(began) == n, blocks), "it prints")
            time.sleep(wait)
            runner.kill()
            amid += said(printed) <= blocks
            held += any((scene.directory / "state" / "runs").glob("*.flood"))
            blocks += 1
            runner = scene.serve()
            runner.wait_lead()
            wait_until(partial(lambda n: said(printed) == n, blocks), "the block is printed")
            if amid == kills:
                break
        opened.write(b"enough\n")
        wait_until(lambda: ended(scene, "count"), "it ends", 60)
    assert amid == kills
    count, path = blocks * BLOCK, log_of(scene, "count")
    kept, length = read(path), size(path)
    assert runner.stop() == 0
    tail = length - capture.HEAD
    assert 0 < tail < length
    assert kept[: capture.HEAD] == b"".join(b"%d\n" % n for n in range(1, capture.HEAD // 2))[: capture.HEAD]
    assert kept[-tail:] == b"".join(b"%d\n" % n for n in range(count - tail // 2, count + 1))[-tail:]
    (run,) = checker.read(scene).of("count")
    assert (run.status, run.steps[0]["outcome"]["exit_code"]) == ("succeeded", 0)
    figures = {
        "lines": count,
        "kills while it printed": amid,
        "while pipes held it": held,
        "bytes lost or repeated": 0,
    }
    record("37", "SIGKILL of the runner while a command prints", amid, figures, "0 bytes lost, no SIGPIPE")


def said(file: Path) -> int:
    """The number a script has written there; -1 where it has not yet."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else -1


def test_case_38_control_bytes(stage: Stage) -> None:
    scene = stage(
        'jobs:\n  rude:\n    run: cat raw; cat raw >&2; exit 1\n    name: "<script>alert(1)</script>"\n'
    )
    raw = bytes(range(256)) * 8 + b"\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>\xff\xfe\n"
    (scene.directory / "raw").write_bytes(raw)
    runner = scene.serve()
    runner.wait_lead()
    scene.trigger("rude")
    wait_until(lambda: ended(scene, "rude"), "it ends")
    runner.wait_says("rude" if "rude" in runner.said() else "script")
    shown = [
        scene.cli("logs", "rude").stdout,
        scene.cli("history", "rude").stdout,
        scene.cli("logs", "-f", "rude").stdout,
    ]
    documents = [scene.cli("logs", "rude", "--json").stdout, scene.cli("history", "--json").stdout]
    assert runner.stop() == 0
    path = log_of(scene, "rude")
    stored = read(path)
    assert stored.count(raw) == 2 or {line.raw for line in lines(path)} >= set(raw.split(b"\n")[:-1])
    for text in (*shown, runner.said()):
        assert not [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160], text
    for text in documents:
        json.loads(text)
    record("38", "every byte, escapes, NUL, invalid UTF-8 in output", len(shown) + 1,
           {"raw control bytes shown": 0, "JSON documents valid": len(documents)}, "0 raw bytes shown")  # fmt: skip


def test_case_39_grandchild_keeps_the_pipe(stage: Stage) -> None:
    scene = stage("jobs:\n  parent:\n    run: |\n      (sleep 60; echo late) &\n      echo done\n")
    runner = scene.serve()
    runner.wait_lead()
    began = time.monotonic()
    scene.trigger("parent")
    wait_until(lambda: ended(scene, "parent"), "it is recorded")
    took = time.monotonic() - began
    assert runner.stop() == 0
    (run,) = checker.read(scene).of("parent")
    assert run.status == "succeeded"
    record("39", "a grandchild keeps the pipe for 60 s", 1, {"recorded after, s": took}, "<= 2 s")
    judge("39", took)


ESCAPES = {
    "plain": "sleep {s}; true",
    "background": "sleep {s} & wait",
    "ignores TERM": "trap '' TERM; sleep {s}; sleep {s}",
    "nohup": "nohup sleep {s} >/dev/null 2>&1 & wait",
    "own session": "setsid sleep {s} & wait",
    "own group": "set -m; sleep {s} & wait",
    "double fork": "(sleep {s} &); sleep {s}",
    "daemon": "(setsid sh -c 'trap \"\" TERM; sleep {s}; true' >/dev/null 2>&1 &); sleep {s}",
    "clean daemon": "(env -i setsid /bin/sh -c '(/bin/sleep {s} &)' >/dev/null 2>&1 &); sleep {s}",
}


def named(words: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                if words.encode() in file.read().replace(b"\0", b" ") and not killed(name):
                    found.append(int(name))
    return found


@pytest.mark.parametrize("how", ["timeout", "cancel", "shutdown"])
def test_case_40_escapes(stage: Stage, how: str) -> None:
    unique = f"77.{os.getpid()}{len(how)}"
    styles = list(ESCAPES.items())
    jobs, live = "", {}
    limit = f"    timeout: {how_many(5, 2)}s\n" if how == "timeout" else ""
    for number, (_, script) in enumerate(styles):
        mark = f"{unique}{number}"
        text = script.format(s=mark)
        jobs += f"  job{number}:\n    run: |\n      {text}\n    stop_grace_period: 500ms\n{limit}"
        live[number] = f"sleep {mark}"
    scene = stage("jobs:\n  stays:\n    run: 'true'\n" + jobs)
    try:
        runner = scene.serve("--on-shutdown", "stop", "--grace", "1s")
        runner.wait_lead()
        ids = []
        for number, words in live.items():
            # One by one: the first may be stopped, as it should be, before the last has begun.
            ids.append(scene.trigger(f"job{number}"))
            wait_until(partial(named, words), f"{styles[number][0]} has begun")
        began = time.monotonic()
        if how == "cancel":
            for run in ids:
                scene.ask("cancel", run=run)
        if how == "shutdown":
            assert runner.stop() == 0
        wait_until(lambda: not checker.read(scene).live, "all are recorded", 60)
        took = time.monotonic() - began
        survivors = {styles[number][0] for number, words in live.items() if named(words)}
        assert survivors == set()
        if how != "shutdown":
            assert runner.stop() == 0
        wanted = {"timed_out"} if how == "timeout" else {"cancelled"}
        assert {run.status for run in checker.read(scene).runs} == wanted
        figures = {"survivors": 0, "all recorded after, s": took}
        record(f"40 {how}", f"{len(styles)} ways to escape, ended by {how}", len(styles), figures,
               "0 survivors, timeout + grace + 2 s")  # fmt: skip
        judge("40", took)
    finally:
        for words in live.values():
            for pid in named(words):
                os.kill(pid, signal.SIGKILL)


def together(scene: Scene, before: str, jobs: Callable[[str], str], count: int) -> Runner:
    """A runner with the file `before`, to which jobs are added that are due at one moment.

    It is at work by then: that it starts slowly cannot make the moment pass.
    """
    scene.file.write_text(before)
    runner = scene.serve()
    runner.wait_lead()
    runner.wait_says("next: ")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 8 + count / 50))
    aside = scene.file.with_name("jobs.new")
    aside.write_text(before + jobs(at))
    aside.replace(scene.file)
    runner.wait_says(f"{count} added (")
    return runner


def over(scene: Scene) -> int:
    return sum(run.job.startswith("job") and run.ended_at is not None for run in checker.read(scene).runs)


def test_case_41_many_at_once(stage: Stage) -> None:
    count = how_many(200, 500)
    before = every_second(1, name="other")
    scene = stage(before)

    def jobs(at: str) -> str:
        return "".join(
            f"  job{n}:\n    schedule: {{at: '{at}'}}\n    run: |\n      {MARK}\n" for n in range(count)
        )

    runner = together(scene, before, jobs, count)
    process = psutil.Process(runner.pid)
    least = most = process.memory_info().rss

    def watched() -> bool:
        nonlocal most
        most = max(most, process.memory_info().rss)
        return over(scene) == count

    wait_until(watched, "all have ended", 300 + count / 20)
    assert runner.stop() == 0
    book = checker.read(scene)
    runs = [run for run in book.runs if run.job.startswith("job")]
    assert {run.status for run in runs} == {"succeeded"}
    assert sum(each.job.startswith("job") for each in book.starts) == count
    latest = max(((run.steps[0]["outcome"]["started_at"] or 0) - run.slot) / 1e6 for run in runs)
    figures = {"run": len(runs), "last start late, s": latest, "memory grew, MiB": (most - least) / MIB,
               "others late at most, s": late(scene, "other0")}  # fmt: skip
    record("41", "jobs due in one second", count, figures, "all run, last <= 5 s late, +20 MiB")
    judge("41", latest)


def test_case_41_queue(stage: Stage) -> None:
    count = how_many(150, 5000)
    before = "executors:\n  few: {type: local, max_workers: 50}\n" + every_second(1, name="other")
    scene = stage(before)

    def jobs(at: str) -> str:
        return "".join(
            f"  job{n}:\n    schedule: {{at: '{at}'}}\n    executor: few\n    run: 'true'\n"
            for n in range(count)
        )

    runner = together(scene, before, jobs, count)
    wait_until(lambda: over(scene) == count, "all have ended", 300 + count / 20)
    assert runner.stop() == 0
    runs = [run for run in checker.read(scene).runs if run.job.startswith("job")]
    assert {run.status for run in runs} == {"succeeded"}
    figures = {"run": len(runs), "dropped": 0, "others late at most, s": late(scene, "other0")}
    record(
        "41 queue", "due in one second with 50 places", count, figures, "none dropped, others <= 0.5 s late"
    )
    judge("41 queue", late(scene, "other0"))


@pytest.mark.parametrize("what", ["descriptors", "processes"])
def test_case_42_a_machine_that_refuses(stage: Stage, what: str) -> None:
    count = how_many(40, 100)
    scene = stage("jobs:\n" + "".join(f"  job{n}:\n    run: sleep 0.3; exit 7\n" for n in range(count)))
    if what == "processes" and os.geteuid() != 0:
        pytest.skip("only root can become the user whose processes are counted")
    runner = limited(scene, what)
    runner.wait_lead()
    ids = [scene.trigger(f"job{n}") for n in range(count)]
    wait_until(
        lambda: len(checker.read(scene).runs) == count and not checker.read(scene).live, "all ended", 300
    )
    assert runner.stop() == 0
    runs = checker.read(scene).runs
    ran = sum(run.steps[0]["outcome"].get("exit_code") == 7 for run in runs)
    told = sum("could not be started" in run.steps[0]["outcome"].get("error", "") for run in runs)
    assert ran + told == len(ids) == count
    figures = {"recorded": len(runs), "true exit codes": ran, "failed, with the reason": told}
    record(f"42 {what}", f"few {what}, {count} runs at once", count, figures, "all recorded, the loop lives")


def limited(scene: Scene, what: str) -> Runner:
    """A runner that may open 64 descriptors, or whose user may have few processes."""
    if what == "descriptors":
        return scene.serve(before=("prlimit", "--nofile=64:64"))
    # Somebody whom nobody else runs as: servers of other tests run as `nobody`, and would be counted with these.
    alone = str(61_000 + os.getpid() % 1_000)
    os.chown(scene.directory, int(alone), int(alone))
    # Root's processes are not counted; the user may read what root may, to find Python.
    caps = "+dac_read_search,+dac_override"
    user = [
        "setpriv",
        "--reuid",
        alone,
        "--regid",
        alone,
        "--clear-groups",
        "--inh-caps",
        caps,
        "--ambient-caps",
        caps,
    ]
    return scene.serve(before=("prlimit", "--nproc=70:70", *user), environ={"HOME": str(scene.directory)})


CALLABLES = """
import ctypes, os, sys, threading, time
def hang(): time.sleep(3600)
def leak():
    for _ in range(5): threading.Thread(target=time.sleep, args=(0.2,)).start()
def leave(): os._exit(9)
def crash(): ctypes.string_at(0)
def quit(): sys.exit(4)
def hold():
    # The interpreter's own lock is held all the while.
    ctypes.PyDLL(None).usleep(1_500_000)
def deep():
    sys.setrecursionlimit(10**9)
    def f(n): return f(n + 1)
    f(0)
"""


def test_case_43_functions_that_misbehave(stage: Stage) -> None:
    wanted = {
        "hang": ("timed_out", None),
        "leak": ("succeeded", None),
        "leave": ("failed", 9),
        "crash": ("failed", 139),
        "quit": ("failed", 4),
        "hold": ("succeeded", None),
    }
    limits = {name: "4s" if name == "hang" else "5m" for name in wanted}
    jobs = "".join(
        f"  {name}:\n    python: acts:{name}\n    timeout: {limit}\n    stop_grace_period: 1s\n"
        for name, limit in limits.items()
    )
    scene = stage(every_second(1, name="other") + jobs)
    (scene.directory / "acts.py").write_text(CALLABLES)
    runner = scene.serve()
    runner.wait_lead()
    for name in wanted:
        scene.trigger(name)
    wait_until(lambda: all(ended(scene, name) for name in wanted), "all have ended", 300)
    assert runner.stop() == 0
    book = checker.read(scene)
    found = {name: book.of(name)[0] for name in wanted}
    for name, (status, code) in wanted.items():
        run = found[name]
        assert run.status == status, (name, run)
        if code is not None:
            assert run.steps[0]["outcome"]["exit_code"] == code
    assert "SIGSEGV" in found["crash"].steps[0]["outcome"]["error"]
    figures = {"true outcomes": len(wanted), "others late at most, s": late(scene, "other0")}
    record("43", "functions that hang, crash, exit, hold the interpreter", len(wanted), figures,
           "the runner lives, others <= 0.5 s late")  # fmt: skip
    judge("43", late(scene, "other0"))


def test_case_42_zombies_are_reaped_by_process_1(stage: Stage) -> None:
    """In a PID namespace of its own, as in a container: orphans are reaped, signals are handed on."""
    if os.geteuid() != 0:
        pytest.skip("only root may make a PID namespace")
    orphans = how_many(20, 500)
    scene = stage(
        "jobs:\n  orphans:\n    run: |\n"
        f"      for n in $(seq {orphans}); do (setsid sleep 0.01 &); done\n      echo $$ > done\n"
    )
    runner = scene.serve(before=("unshare", "-pf", "--kill-child", "--mount-proc"))
    wait_until(lambda: (scene.directory / "state" / "leader.json").exists(), "it leads")
    scene.trigger("orphans")
    scene.wait_for("done")
    wait_until(lambda: ended(scene, "orphans"), "it ended")
    (first,) = psutil.Process(runner.pid).children()
    wait_until(lambda: not [p for p in first.children(recursive=True) if p.status() == "zombie"], "no zombie")
    first.send_signal(signal.SIGTERM)
    assert runner.process.wait(PATIENCE) == 0
    record("42 zombies", "orphans in a container", orphans, {"zombies left": 0}, "0 zombies")
