"""The claims of docs/security.md that no other room tests."""

from __future__ import annotations

import ast
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import runner

PACKAGE = Path(runner.__file__).parent
JOBS = """
jobs:
  hourly:
    schedule: at 02:00
    run: "true"
  greet:
    params: {name: {type: string, required: true}}
    run: |
      printf 'hello %s\\n' ${{ params.name }}
      printf 'hello %s\\n' "${{ params.name }}"
  rude:
    run: printf 'a\\033]0;owned\\007\\033[2Jb\\n'
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    return tmp_path


def command(place: Path, *args: str) -> tuple[list[str], dict[str, str]]:
    argv = [sys.executable, "-m", "runner", *args, "--file", str(place / "jobs.yaml")]
    return argv, {**os.environ, "RUNNER_STATE_DIR": str(place / "state"), "PYTHONUNBUFFERED": "1"}


def say(place: Path, *args: str) -> str:
    argv, environ = command(place, *args)
    done = subprocess.run(
        argv, env=environ, capture_output=True, text=True, timeout=60, check=False, cwd=place
    )
    return done.stdout + done.stderr


@pytest.fixture
def service(place: Path) -> Iterator[subprocess.Popen[str]]:
    argv, environ = command(place, "serve")
    process = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "next: hourly" in line:
            break
    yield process
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_the_service_opens_no_port(service: subprocess.Popen[str], place: Path) -> None:
    main = psutil.Process(service.pid)
    for process in (main, *main.children(recursive=True)):
        assert process.net_connections("inet") == []
    door = place / "state/control.sock"
    assert stat.S_IMODE(door.stat().st_mode) == 0o600
    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o700


def test_rubbish_at_the_door_is_nothing(
    service: subprocess.Popen[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "state")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        for rubbish in (b"", b"\0" * 1000, b"stop", b'{"verb": "stop"}', os.urandom(10_000)):
            door.sendto(rubbish, "control.sock")
    said = say(place, "pause", "hourly")
    assert service.poll() is None
    assert "no runner answers" not in said
    assert "paused" in say(place, "list", "--json")


@pytest.mark.parametrize(
    "value", ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '" ; touch pwned; "', "*"]
)
def test_a_parameter_is_nothing_but_a_value(place: Path, value: str) -> None:
    said = say(place, "run", "greet", "-p", f"name={value}")
    assert said.count(f"hello {value}") == 2, said
    assert not (place / "pwned").exists()


def test_names_on_disk_are_not_made_of_text(place: Path) -> None:
    say(place, "run", "rude")
    names = [str(path.relative_to(place / "state")) for path in (place / "state").rglob("*")]
    assert len(names) > 3
    assert [name for name in names if "rude" in name or "main" in name] == []


def test_terminal_escapes_are_shown_escaped(place: Path) -> None:
    for said in (say(place, "run", "rude"), say(place, "logs", "rude")):
        assert "a\\x1b]0;owned\\x07\\x1b[2Jb" in said
        assert "\x1b" not in said


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['touch pwned']", "!!python/name:os.system", "!!python/module:os"],
)
def test_tags_make_no_objects(place: Path, tag: str) -> None:
    (place / "jobs.yaml").write_text(f"jobs:\n  a:\n    run: {tag}\n")
    assert "error[" in say(place, "validate")
    assert not (place / "pwned").exists()


FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
}
WRITES_CODE = {"frozen.py"}
"""Constructors of the house's own records, made of their own field names while the classes are defined."""
PICKLES = {
    "executors",
    "jobstores/apscheduler/unpickle.py",
    "jobstores/pickled.py",
    "testing/trigger_suite.py",
}
"""Between a worker process and its own runner, over a private pipe or file; the one reader of old stores, which admits
known names alone (tests/migration tries to make it do more); stores whose user asked for `codec="pickle"`; and the
suite for triggers, which pickles its own."""


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def _makes_text_only(node: ast.Call) -> bool:
    """PyYAML's base loader knows no tags: text, lists and mappings are all it makes."""
    return ast.unparse(node) in (
        "yaml.load(text, Loader=yaml.BaseLoader)",
        "yaml.load_all(text, Loader=yaml.BaseLoader)",
    )


def test_the_code_evaluates_nothing_it_reads() -> None:
    for path in sources():
        tree = ast.parse(path.read_text())
        for name, node in calls(tree):
            if str(path.relative_to(PACKAGE)) not in WRITES_CODE and not _makes_text_only(node):
                assert name not in FORBIDDEN, f"{path}:{node.lineno} {name}"
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                assert (keyword.arg, value) not in {("shell", True), ("verify", False)}, (
                    f"{path}:{node.lineno}"
                )


def test_nothing_is_unpickled_but_between_a_runner_and_its_workers() -> None:
    for path in sources():
        inside = path.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                found = {"pickle", "marshal", "shelve", "dill", "cloudpickle"} & set(modules)
                assert not found or {inside.parts[0], str(inside)} & PICKLES, f"{path}:{node.lineno} {found}"
