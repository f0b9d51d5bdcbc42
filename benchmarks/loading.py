"""Loading: a file of many jobs read, positioned and validated, and an edit of one job read again.

The same jobs in each program's own words, loaded by the program as it is shipped. The limit is PyYAML's C loader on our
text, which knows no places and checks nothing. What was loaded is looked at before a figure is taken: every job is
there, with its command and its schedule; an edit gives what a whole reading gives, and a mistake is found at its line.
"""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import (
    Curve,
    Row,
    Table,
    at_most,
    check,
    cpu_of,
    directory,
    figure,
    interleaved,
    share_of_limit,
    times_rival,
)
from runner import config
from runner.errors import ConfigError
from runner.spec import Command

GATE = "load of 10,000"
RIVALS = ("cronstable", "yacron")


def run(quick: bool) -> Table:
    small, large = (100, 2_000) if quick else (1_000, 10_000)
    rounds = 3 if quick else 5
    with directory() as where:
        write(where, small)
        right(where / "ours.yaml", small)
        found = beside_rivals(where, small, 1 if quick else 3)
        write(where, large)
        right(where / "ours.yaml", large)
        file = where / "ours.yaml"
        text = file.read_text()
        loads = interleaved(
            rounds,
            "s",
            ours=lambda: cpu_of(lambda: config.load(file)),
            limit=lambda: cpu_of(lambda: yaml.load(text, Loader=yaml.CSafeLoader)),
        )
        edits = figure([1e3 * each for each in edited(file, large, rounds * 2)], "ms")
        reading = figure([1e3 * cpu_of(file.read_bytes) for _ in range(rounds)], "ms")
        kept = figure(memory(file) / large / 1024, "KB")
        # The one that is 30 times slower is asked once, and only in the long form.
        large_rival = None if quick else figure(rival(where, "cronstable"), "s")
        curve = growth(where, (100, 1_000) if quick else (100, 1_000, 10_000))
    named = f"{large:,} jobs"
    beside = f"PyYAML {yaml.__version__}'s C loader"
    rows = [
        Row(
            f"load {small:,} jobs, beside {name}",
            found["ours"],
            rival=found[name],
            less_is_better=True,
            goals=(times_rival(30),),
        )
        for name in RIVALS
    ]
    rows += [
        Row(
            f"load {named}, positioned and validated; the limit is {beside}",
            loads["ours"],
            rival=large_rival,
            limit=loads["limit"],
            less_is_better=True,
            goals=(share_of_limit(1.0), share_of_limit(1 / 0.35), *(() if quick else (times_rival(30),))),
            gate=GATE,
        ),
        Row(
            f"read one edited job among {named}, reading the file included",
            edits,
            goals=(at_most(20.0),),
            less_is_better=True,
            gate=GATE,
        ),
        Row(f"read the file of {named}, nothing else", reading, less_is_better=True),
        Row("keep a job, with its text for the next edit", kept, goals=(at_most(2.0),), less_is_better=True),
    ]
    return Table(
        "Loading",
        "CPU of one process. Each job has a schedule, a script, two variables, tags, a retry and a description. "
        "Rivals: " + ", ".join(f"{name} {version(name)}" for name in RIVALS) + ", the same jobs in their words, "
        "parsed by their own function for a file; PyYAML "
        f"{yaml.__version__}.",
        rows,
        [curve],
    )  # fmt: skip


# ── the files ───────────────────────────────────────────────────────────────────────────────


def job(number: int, word: str = "echo done") -> str:
    return f"""\
  job-{number}:
    description: Copies table {number} to the warehouse
    schedule: "{number % 60} {number % 24} * * *"
    tags: [copy, t{number % 7}]
    env:
      TABLE: table_{number}
      TARGET: /srv/{number}
    retry: {{max: 3, delay: 10s}}
    run: |
      copy --table "$TABLE" --to "$TARGET"
      {word} {number}
"""


def text_of(count: int, edited: int = -1) -> str:
    head = "defaults:\n  timeout: 1h\n  timezone: UTC\njobs:\n"
    return head + "".join(job(n, "echo edited" if n == edited else "echo done") for n in range(count))


def theirs_of(count: int) -> str:
    return "defaults:\n  captureStdout: true\njobs:\n" + "".join(
        f"""\
  - name: job-{n}
    schedule: "{n % 60} {n % 24} * * *"
    environment:
      - key: TABLE
        value: table_{n}
      - key: TARGET
        value: /srv/{n}
    onFailure:
      retry:
        maximumRetries: 3
        initialDelay: 10
        maximumDelay: 30
        backoffMultiplier: 2
    executionTimeout: 3600
    command: |
      copy --table "$TABLE" --to "$TARGET"
      echo done {n}
"""
        for n in range(count)
    )


def write(where: Path, count: int) -> None:
    (where / "ours.yaml").write_text(text_of(count))
    (where / "theirs.yaml").write_text(theirs_of(count))


# ── is it right ─────────────────────────────────────────────────────────────────────────────


def right(file: Path, count: int) -> None:
    """What is loaded is what was written, and a mistake in it is found where it stands."""
    loaded = config.load(file)
    check(len(loaded.jobs) == count, f"{len(loaded.jobs)} of {count} jobs were loaded")
    for number in (0, count // 2, count - 1):
        spec = loaded.jobs[number]
        work = spec.steps[0].work
        good = isinstance(work, Command) and f"echo done {number}\n" in (work.script or "")
        check(
            good and spec.trigger is not None and spec.env["TABLE"] == f"table_{number}",
            f"job {number} is wrong",
        )
    text = file.read_text()
    place = text.rindex("tags:")
    wrong, line = text[:place] + "togs:" + text[place + 5 :], text.count("\n", 0, place) + 1
    file.write_text(wrong)
    try:
        config.load(file)
    except ConfigError as error:
        check(
            error.problems[0].line == line, f"a mistake on line {line} was found on {error.problems[0].line}"
        )
    else:
        check(False, "a mistake was not found")
    finally:
        file.write_text(text)


# ── figures ─────────────────────────────────────────────────────────────────────────────────


def beside_rivals(where: Path, count: int, rounds: int) -> dict[str, Any]:
    calls: dict[str, Callable[[], float]] = {"ours": lambda: cpu_of(lambda: config.load(where / "ours.yaml"))}
    for name in RIVALS:
        calls[name] = partial(rival, where, name)
    return interleaved(rounds, "s", **calls)


RIVAL = """
import importlib, resource, sys
parse = importlib.import_module(sys.argv[1] + ".config").parse_config
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
before = cpu()
found = parse(sys.argv[2])
print(cpu() - before, len(found.jobs))
"""


def rival(where: Path, name: str) -> float:
    """CPU seconds of the rival's own loading, in a fresh process: it keeps what it has read once."""
    file = where / "theirs.yaml"
    done = subprocess.run(
        [sys.executable, "-c", RIVAL, name, str(file)], capture_output=True, text=True, check=False
    )
    check(done.returncode == 0, f"{name} does not load its file: {done.stderr[-500:]}")
    seconds, jobs = done.stdout.split()[-2:]
    wanted = file.read_text().count("- name: job-")
    check(int(jobs) == wanted, f"{name} has {jobs} of {wanted} jobs")
    return float(seconds)


def edited(file: Path, count: int, rounds: int) -> list[float]:
    """CPU seconds of reading one edit after another, each of another job."""
    cache, text = config.Cache(), file.read_text()
    config.load(file, cache=cache)
    took = []
    for number in range(rounds):
        place = (number * 7919) % count
        file.write_text(text_of(count, edited=place))
        found: list[config.Config] = []
        took.append(cpu_of(lambda: found.append(config.load(file, cache=cache))))  # noqa: B023
        work = found[0].jobs[place].steps[0].work
        check(isinstance(work, Command) and "echo edited" in (work.script or ""), "an edit was not read")
        check(len(found[0].jobs) == count, "an edit lost jobs")
    whole = config.load(file)
    check(found[0] == whole, "an edit was read differently than the whole file")
    file.write_text(text)
    return took


def memory(file: Path) -> float:
    """Bytes that are kept of a loaded configuration and its cache."""
    config.load(file)  # what is made once, for all files, is made
    gc.collect()
    tracemalloc.start()
    cache = config.Cache()
    kept = config.load(file, cache=cache)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    check(len(kept.jobs) > 0, "nothing was loaded")
    return float(size)


def growth(where: Path, counts: tuple[int, ...]) -> Curve:
    ours, limit = [], []
    for count in counts:
        write(where, count)
        text = (where / "ours.yaml").read_text()
        ours.append((float(count), cpu_of(lambda: config.load(where / "ours.yaml"))))
        limit.append((float(count), cpu_of(lambda: yaml.load(text, Loader=yaml.CSafeLoader))))  # noqa: B023
    lines = {"runner": ours, "PyYAML's C loader": limit}
    return Curve("loading", "Loading a file", "jobs", "CPU seconds", lines)


def version(name: str) -> str:
    from importlib.metadata import version as version_of

    importlib.import_module(name)
    return version_of(name)
