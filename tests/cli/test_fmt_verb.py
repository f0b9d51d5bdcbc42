"""`runner fmt`: one form, the same meaning, every comment at its key; a second time changes nothing."""

# ruff: noqa: E501 - files as they are

from __future__ import annotations

import builtins
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import config
from runner.config import fmt
from runner.config.document import Model
from runner.config.node import Source
from runner.config.order import ORDERS, keys_of
from runner.config.text import parse
from tests.cli.verb_place import Place

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def form(text: str) -> str:
    """The text in its form, which has to be the form of itself too and to mean the same."""
    made = fmt.formatted(text.encode(), "jobs.yaml")
    assert fmt.formatted(made.encode(), "jobs.yaml") == made
    return made


@pytest.mark.parametrize("model", ORDERS, ids=lambda model: model.__name__)
def test_every_key_has_its_place(model: type[Model]) -> None:
    assert sorted(ORDERS[model]) == sorted(keys_of(model))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_mean_the_same_afterwards(path: Path, tmp_path: Path) -> None:
    directory = tmp_path / "examples"
    directory.mkdir()
    copy = directory / path.name
    for each in path.parent.iterdir():
        if each.is_file():
            (directory / each.name).write_bytes(each.read_bytes())
    before = config.load(copy)
    copy.write_text(form(path.read_text(encoding="utf-8")), encoding="utf-8")
    after = config.load(copy)
    assert after.jobs == before.jobs
    assert (after.channels, after.secrets, after.groups) == (before.channels, before.secrets, before.groups)
    assert (after.executors, after.maintenance, after.calendars) == (
        before.executors,
        before.maintenance,
        before.calendars,
    )


MESSY = """\
# yaml-language-server: $schema=jobs.schema.json
# About the file.
jobs:
    # about b
    b:
        run: |
            # not a comment
            echo one

            echo two
        # about the schedule,
        # in two lines
        schedule: { jitter: 30s, every: 5m }    # at the end of a line
        name: B

    a:
      steps:
      # the first step
      - run: 'echo "x"'
        id: one
        # never alone
        needs: []
      - {command: [ls,   "-l"], id: two}
      description:   "Quoted"
# about the channels
channels: {ops: "log:"}


version: 1
"""

TIDY = """\
# yaml-language-server: $schema=jobs.schema.json
# About the file.
version: 1
# about the channels
channels: {ops: "log:"}


jobs:
  # about b
  b:
    name: B
    # about the schedule,
    # in two lines
    schedule: {jitter: 30s, every: 5m}      # at the end of a line
    run: |
      # not a comment
      echo one

      echo two

  a:
    description: "Quoted"
    steps:
      # the first step
      - id: one
        # never alone
        needs: []
        run: 'echo "x"'
      - {id: two, command: [ls, "-l"]}
"""


def test_a_messy_file() -> None:
    assert form(MESSY) == TIDY


KEPT = [
    "a: 0644\nb: 0x1F\nc: 1.10\nd: 1_000\ne: 2026-12-24\nf: 12:30\ng: yes\nh: ~\ni:\nj: null\nk: 1e3\nl: .5\n",
    "a: 'it''s'\nb: \"\\u00e9\\t\"\nc: \"a\\\n  b\"\nd: plain\n  over lines\n",
    "a: |+\n  kept\n\n\nb: >-\n  folded\n  text\n\n  more\nc: |2\n   indented\n",
    "a: &one {x: 1}\nb: *one\nc: {<<: *one, y: 2}\n",
    "? a\n: b\n",
    "a: [1,\n  2, # two\n  3]\n",
    "a: {b: 1, # one\n  c: 2}\n",
    "a:\n- 1\n-   - 2\n    - 3\n-   b: 1\n    c: 2\n-   &x d: 1\n",
    "'quoted key': 1\n\"double\": 2\n",
    "a: !!str 5\n",
    "a: \u00e6\u00f8\u00e5 \U0001f600 \u4e2d\u6587\n",
    "a: '# not a comment'\nb: x#y\n",
    "jobs: {}\n",
    "jobs:\n",
]


@pytest.mark.parametrize("text", KEPT)
def test_values_stay_what_they_are(text: str) -> None:
    source = Source("x", text)
    before, after = parse(text, source), parse(form(text), source)
    assert before is not None
    assert after is not None
    assert fmt.repr_of(after.value) == fmt.repr_of(before.value)


def test_an_alias_never_comes_before_its_anchor() -> None:
    text = "jobs:\n  b:\n    env: &e {A: b}\n    run: x\n  a:\n    run: x\n    env: *e\ntemplates:\n  t: {env: *e}\n"
    assert form(text) == text


def test_windows_line_ends_stay_and_a_last_line_end_is_added() -> None:
    assert form("jobs:\r\n    a:  {run: x}") == "jobs:\r\n  a: {run: x}\r\n"
    assert form("\ufeffjobs:\n  a: {run: x}\n") == "jobs:\n  a: {run: x}\n"


JOB = {"name": "N", "schedule": "every 5m", "timeout": "1h", "retry": "2", "run": "|\n{pad}  echo # x\n{pad}  \n{pad}  true",
       "env": "\n{pad}  B: b # one\n{pad}  # two\n{pad}  A: a", "description": "'some # text'", "tags": "[a, b]"}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([2, 3, 4, 8]))
def test_comments_stay_at_their_keys_whatever_the_order(seed: int, count: int, indent: int) -> None:
    chance = random.Random(seed)
    lines = ["jobs:"]
    for number in range(count):
        pad, deep = " " * indent, " " * (2 * indent)
        lines += [f"{pad}# about job{number}", f"{pad}job{number}:"]
        for key in chance.sample(sorted(JOB), chance.randint(1, len(JOB))):
            if chance.random() < 0.3:
                lines.append("")
            if chance.random() < 0.7:
                lines.append(f"{deep}# about {key} of job{number}")
            lines.append(f"{deep}{key}: " + JOB[key].replace("{pad}", deep))
    text = "\n".join(lines) + "\n"
    made = form(text)
    source = Source("x", text)
    before, after = parse(text, source), parse(made, source)
    assert before is not None
    assert after is not None
    assert after.value == before.value
    shown = [line.strip() for line in made.split("\n") if line.strip()]
    for index, line in enumerate(shown):
        if line.startswith("# about job"):
            assert shown[index + 1] == f"{line.split()[-1]}:"
        elif line.startswith("# about "):
            assert shown[index + 1].startswith(f"{line.split()[2]}:")
    assert sum(line.startswith("# about") for line in shown) == text.count("# about")


# ── the verb ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def messy(place: Place) -> Place:
    place.write("include: more/*.yaml\njobs:\n    b: {run: x}\n")
    place.write("jobs:\n  a: {run: x, name: A}\n", "more/a.yaml")
    return place


def test_it_writes_the_file_and_what_it_includes(messy: Place) -> None:
    messy.file.chmod(0o640)
    said = messy.call("fmt")
    assert (said.stdout, said.stderr) == (
        "",
        f"{messy.file}: formatted\n{messy.directory}/more/a.yaml: formatted\n",
    )
    assert messy.file.read_text() == "include: more/*.yaml\njobs:\n  b: {run: x}\n"
    assert (messy.directory / "more/a.yaml").read_text() == "jobs:\n  a: {name: A, run: x}\n"
    assert messy.file.stat().st_mode & 0o777 == 0o640
    assert messy.call("fmt").stderr == "2 files, all in form\n"
    assert sorted(path.name for path in messy.directory.iterdir()) == ["jobs.yaml", "more"]


def test_check_and_diff_write_nothing(messy: Place) -> None:
    before = messy.file.read_text()
    assert messy.call("fmt", "--check", code=1).stderr.count("not in form") == 2
    said = messy.call("fmt", "--diff", "jobs.yaml")
    assert said.stdout == (
        "--- a/jobs.yaml\n+++ b/jobs.yaml\n@@ -1,3 +1,3 @@\n include: more/*.yaml\n jobs:\n-    b: {run: x}\n+  b: {run: x}\n"
    )
    assert messy.call("fmt", "--check", "--json", "jobs.yaml", code=1).json == {
        "version": 1,
        "files": ["jobs.yaml"],
        "changed": ["jobs.yaml"],
    }
    assert messy.file.read_text() == before


def test_a_link_stays_a_link(place: Place) -> None:
    target = place.write("jobs:\n    a: {run: x}\n", "real.yaml")
    place.file.symlink_to(target)
    place.call("fmt")
    assert place.file.is_symlink()
    assert target.read_text() == "jobs:\n  a: {run: x}\n"


def test_a_broken_file_is_3_and_stays(place: Place) -> None:
    place.write("jobs: [\n")
    assert "jobs.yaml:" in place.call("fmt", code=3).stderr
    assert place.file.read_text() == "jobs: [\n"
    assert "cannot be read: No such file" in place.call("fmt", "none.yaml", code=3).stderr


def test_without_ruamel_it_says_how_to_install_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("ruamel"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    place.write("jobs:\n    a: {run: x}\n")
    monkeypatch.setattr(builtins, "__import__", without)
    said = place.call("fmt", code=1)
    assert said.stderr == (
        "runner: fmt needs ruamel.yaml, which is not installed\n  help: pip install 'runner[fmt]'\n"
    )


def test_the_examples_are_in_form() -> None:
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        assert fmt.formatted(text.encode(), path.name) == text, f"runner fmt {path}"
