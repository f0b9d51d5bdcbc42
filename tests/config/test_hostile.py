"""Files that are broken, half-written or made to hurt: a clear error, soon, in little memory, and never a traceback."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import config
from runner.core.reload import shrinks
from runner.core.run import Job
from runner.errors import ConfigError

MEMORY = 600 << 20
"""Of address space, for a process that needs about 250 MiB of it to read a good file."""
CPU_SECONDS = 4
"""Of one process as a whole, its imports among them. The second that is promised is measured inside."""

PROGRAM = """
import sys, time
from pathlib import Path
from runner import config
from runner.errors import ConfigError
config.load(Path(sys.argv[2]))  # everything is imported
began = time.process_time()
try:
    config.load(Path(sys.argv[1]))
    said = "(nothing)"
except ConfigError as error:
    said = str(error)
took = time.process_time() - began
sys.stdout.write(f"{took:.3f}\\n{said}")
"""
GOOD = "jobs:\n  hello:\n    run: echo hello\n"


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def told(file: Path, good: Path) -> tuple[float, str]:
    """CPU seconds of the load, and what it said; in a process that may have little of anything."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(good)],
        preexec_fn=bounded, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    took, _, said = done.stdout.decode(errors="replace").partition("\n")
    return float(took), said


def laughs(depth: int) -> str:
    rows = ["x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    rows += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    return "\n".join(rows) + "\n" + GOOD


def merges(depth: int) -> str:
    rows = ["x-0: &m0 {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}"]
    rows += [f"x-{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 1000)}]}}" for n in range(1, depth)]
    return "\n".join(rows) + "\n" + GOOD


BOMBS: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "aliases, 10^8 values": (lambda: laughs(9), "error[limit]: more than 2,000,000 values, aliases counted"),
    "merged mappings": (lambda: merges(4), "error[limit]: more than 2,000,000 values, aliases counted"),
    "depth in brackets": (lambda: "jobs: " + "[" * 100_000, "error[limit]: nested deeper than 64 levels"),
    "depth in braces": (lambda: "jobs: " + "{a: " * 100_000, "error[limit]: nested deeper than 64 levels"),
    "depth by indentation": (
        lambda: "".join(" " * n + f"k{n}:\n" for n in range(1, 2000)),
        "error[limit]: nested deeper than 64 levels",
    ),
    "depth in dashes": (lambda: "jobs:\n  " + "- " * 100_000, "error[limit]: nested deeper than 64 levels"),
    "50 MB": (lambda: "jobs:\n" + "# nothing\n" * 5_000_000, "error[limit]: the file has"),
    "one line of 15 MB": (
        lambda: "jobs: {a: {rum: '" + "x" * 15_000_000 + "'}}\n",
        "error[unknown-key]: no key is called `rum` here",
    ),
    "a quote that is never closed": (
        lambda: 'jobs:\n  a:\n    run: "' + "x\n" * 3_000_000,
        "error[syntax]:",
    ),
    "100,000 times the same key": (
        lambda: "a: 1\n" * 100_000,
        "error[duplicate]: `a` stands twice in this mapping",
    ),
    "100,000 unknown keys": (
        lambda: "".join(f"k{n}: 1\n" for n in range(100_000)),
        "error[unknown-key]: no key is called `k0` here",
    ),
    "a number of 10 MB": (
        lambda: "version: " + "9" * 10_000_000 + "\n" + GOOD,
        "error[value]: `version` cannot be",
    ),
    "a matrix of 10^9 jobs": (
        lambda: (
            "jobs:\n  a:\n    run: echo\n    matrix: {"
            + ", ".join(f"m{n}: [{', '.join(map(str, range(10)))}]" for n in range(9))
            + "}\n"
        ),
        "error[limit]:",
    ),
    "a schedule of 100,000 parts": (
        lambda: "jobs:\n  a:\n    run: echo\n    schedule: '" + ",".join(["1"] * 100_000) + " * * * *'\n",
        "(nothing)",  # it is long, and good
    ),
    "an expression that loops": (
        lambda: "vars: {a: \"${{ 'x' * 1000000000 }}\"}\n" + GOOD,
        "error[expression]:",
    ),
    "an expression of powers": (lambda: 'vars: {a: "${{ 2 ** 1000000000 }}"}\n' + GOOD, "error[expression]:"),
    "a pattern that explodes": (
        lambda: (
            "jobs:\n  a:\n    run: echo\n    params: {x: {pattern: '(a+)+$', default: '" + "a" * 40 + "b'}}\n"
        ),
        "error[value]:",
    ),
    "python tags": (
        lambda: GOOD + "x: !!python/object/apply:os.system ['touch pwned']\n",
        "error[syntax]: the tag !!python/object/apply:os.system means nothing here",
    ),
    "a thousand steps in a circle": (
        lambda: (
            "jobs:\n  a:\n    steps:\n"
            + "".join(f"      - {{id: s{n}, run: echo, needs: [s{(n + 1) % 1000}]}}\n" for n in range(1000))
        ),
        "error[cycle]: steps need each other",
    ),
    "a thousand templates in a row": (
        lambda: (
            "templates:\n  t0: {run: echo}\n"
            + "".join(f"  t{n}: {{extends: t{n - 1}}}\n" for n in range(1, 1000))
            + "jobs:\n  a: {extends: t999}\n"
        ),
        "error[limit]:",
    ),
    "a thousand jobs in a circle": (
        lambda: (
            "jobs:\n" + "".join(f"  j{n}: {{run: echo, after: j{(n + 1) % 1000}}}\n" for n in range(1000))
        ),
        "error[cycle]: jobs start each other for ever",
    ),
    "binary": (lambda: bytes(range(256)) * 4096, "error[syntax]:"),
    "an ELF file": (lambda: Path(sys.executable).resolve().read_bytes()[: 8 << 20], "error[syntax]:"),
    "NUL": (lambda: GOOD + "\0", "error[syntax]: the file holds a control character (U+0000)"),
    "UTF-16": (lambda: GOOD.encode("utf-16"), "error[syntax]: the file is not UTF-8 but UTF-16"),
    "Latin-1": (
        lambda: "jobs:\n  a: {run: echo æ}\n".encode("latin-1"),
        "error[syntax]: byte 0xe6 is not UTF-8 text",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_a_second_and_little_memory(name: str, tmp_path: Path) -> None:
    make, words = BOMBS[name]
    made = make()
    file, good = tmp_path / "jobs.yaml", tmp_path / "good.yaml"
    file.write_bytes(made.encode() if isinstance(made, str) else made)
    good.write_text(GOOD)
    took, said = told(file, good)
    assert words in said
    assert "Traceback" not in said
    assert len(said) < 300_000
    for _ in range(4):
        # Who shares the processor's caches, or the processor of a virtual machine, makes each second do less.
        took = took if took < 1.0 else min(took, told(file, good)[0])
    assert took < 1.0, f"{took} s"
    assert not (tmp_path / "pwned").exists()


SAME = {
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "lines ended by CR LF": GOOD.replace("\n", "\r\n").encode(),
    "both": b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
    "no end of the last line": GOOD.rstrip("\n").encode(),
    "a document's marks": b"---\n" + GOOD.encode() + b"...\n",
}


@pytest.mark.parametrize("name", SAME)
def test_how_a_file_is_saved_makes_no_difference(name: str, tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(GOOD)
    expected = config.load(file).jobs
    file.write_bytes(SAME[name])
    assert config.load(file).jobs == expected


TEN = "defaults: {timezone: UTC, timeout: 1h}\njobs:\n" + "".join(
    f'  job{n}:\n    schedule: "{n} 2 * * *"\n    command: [echo, "number {n}"]\n    env: {{A: "{n}"}}\n'
    for n in range(10)
)


def test_a_byte_that_is_no_text_is_shown_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_bytes("jobs:\n  æ: {run: echo".encode() + b" \xe6}\n")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, 17)
    assert problem.excerpt == "  æ: {run: echo \ufffd}"


def test_a_file_cut_anywhere_never_replaces_a_whole_one_unseen(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(TEN)
    cache = config.Cache()
    whole = config.load(file, cache=cache).jobs
    known = {spec.key: Job(spec) for spec in whole}
    accepted, refused = [], []
    for end in range(len(TEN)):
        file.write_text(TEN[:end])
        try:
            jobs = config.load(file, cache=cache).jobs
            accepted.append((end, len(jobs)))
        except ConfigError as error:
            refused.append(error.problems[0].line)
        file.write_text(TEN)
        assert config.load(file, cache=cache).jobs == whole
    assert refused.count(0) == 1  # the empty file
    # Between two lines a cut is what somebody may have typed who took the last jobs out. Everywhere else it is
    # refused; and what lost more than half of the jobs is held back by the guard.
    assert all(TEN[end - 1] == "\n" for end, _ in accepted)
    held = [count for _, count in accepted if shrinks(known, whole[:count])]
    assert {count for _, count in accepted} - set(held) == {5, 6, 7, 8, 9, 10}
    assert set(held) == {1, 2, 3, 4}


def test_reading_a_file_from_a_pull_request_touches_nothing_else(tmp_path: Path) -> None:
    """`validate` runs, imports, and shows nothing that is not the file's own."""
    secret = tmp_path / "secret"
    secret.write_text("very: secret\n")
    root = tmp_path / "repo"
    (root / "jobs.d").mkdir(parents=True)
    (root / "jobs.d" / "link.yaml").symlink_to(secret)
    (root / "evil.py").write_text("open('imported', 'w').close()\n")
    (root / "jobs.yaml").write_text(
        "include: [/etc/shadow, ../secret, jobs.d/*.yaml]\n"
        "env_file: ../secret\n"
        "secrets: {a: {command: [touch, run]}, b: {file: ../secret}}\n"
        "calendars: {c: {ics: ../secret}}\n"
        "jobs:\n"
        "  a: {python: 'evil:main'}\n"
        "  b: {python: 'os:system', with: {command: touch run}}\n"
        "  c: {run: 'touch run', heartbeat: 'https://example.com', working_dir: /}\n"
    )
    before = sorted(path.name for path in root.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "runner", "validate"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "/etc/shadow lies outside the directory of the main file" in done.stderr
    assert "../secret lies outside the directory of the main file" in done.stderr
    assert "link.yaml lies outside" in done.stderr or "jobs.d/*.yaml lies outside" in done.stderr
    assert "very" not in done.stdout + done.stderr
    assert sorted(path.name for path in root.rglob("*")) == before
