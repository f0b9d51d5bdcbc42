"""docs/testing.md: its file, its commands, and what they print, one after another as a reader types them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GIT = ["git", "-c", "user.name=kari", "-c", "user.email=kari@example.com"]


def blocks(kind: str) -> list[str]:
    return [text for found, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if found == kind]


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    repo, programs = tmp_path / "repo", tmp_path / "bin"
    repo.mkdir()
    programs.mkdir()
    (programs / "runner").write_text(f'#!/bin/sh\nexec {sys.executable} -m runner "$@"\n')
    (programs / "runner").chmod(0o755)
    (repo / "jobs.yaml").write_text(blocks("yaml")[0])
    for args in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *args], cwd=repo, check=True)
    environ = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RUNNER_STATE_DIR": str(tmp_path / "state"),
    }
    shown = 0
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = subprocess.run(
                command,
                shell=True,
                cwd=repo,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert done.stdout.replace(str(repo), "/repo") == expected, command
            shown += 1
    assert shown == 10
    assert (repo / "report.xml").exists()


def test_the_workflow_calls_verbs_and_options_that_are_there() -> None:
    workflow = yaml.safe_load(blocks("yaml")[1])
    calls = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    verbs = [call.split() for call in calls if call.startswith("runner ")]
    assert [words[1] for words in verbs] == ["validate", "fmt", "test", "plan"]
    for words in verbs:
        said = subprocess.run(
            [sys.executable, "-m", "runner", words[1], "--help"], capture_output=True, text=True, check=True
        ).stdout
        for word in words[2:]:
            if word.startswith("--"):
                assert re.search(rf"{word}\b", said), (words[1], word)


def test_every_key_of_a_test_is_on_the_page() -> None:
    from runner.config.document import ExpectModel, TestModel
    from runner.config.order import keys_of

    text = PAGE.read_text(encoding="utf-8")
    for key in [*keys_of(TestModel), *keys_of(ExpectModel)]:
        assert f"`{key}`" in text, key


@pytest.fixture(autouse=True)
def _tools() -> None:
    assert shutil.which("git"), "the page shows git"
