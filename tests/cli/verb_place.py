"""A directory with a jobs file, and the verbs called there in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from runner.cli import main


@dataclass(frozen=True)
class Said:
    """What a verb said, and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        assert document["version"] == 1
        return document


class Place:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "jobs.yaml"
        self.environ: dict[str, str | None] = {
            "RUNNER_STATE_DIR": str(directory / "state"),
            "RUNNER_DATABASE_URL": None,
            "RUNNER_FILE": None,
            "NO_COLOR": "1",
        }

    def write(self, text: str, name: str = "jobs.yaml") -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def call(self, *args: str, code: int | None = 0) -> Said:
        """Call `runner ARGS` in the directory; `code` is how it has to end, None for anyhow."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.directory)
            result = CliRunner().invoke(_Entry("runner"), list(args), env=self.environ)
        said = Said(result.exit_code, result.stdout, result.stderr)
        assert code is None or said.code == code, (said.code, said.stdout, said.stderr, result.exc_info)
        return said


class _Entry(click.Command):
    """The program's entry point, as click's runner calls it."""

    def main(self, *_: Any, **given: Any) -> Any:
        main(given["args"])
