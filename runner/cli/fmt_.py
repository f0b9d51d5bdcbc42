from __future__ import annotations

import difflib
import os
import sys
import tempfile
from pathlib import Path

import click

from runner.cli import frame
from runner.errors import ConfigError, RunnerError


@click.command("fmt")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@frame.file_option
@click.option("--check", is_flag=True, help="write nothing; end with 1 where a file would change")
@click.option("--diff", is_flag=True, help="write nothing; show what would change")
@frame.json_option
def command(paths: tuple[str, ...], file: str | None, check: bool, diff: bool, as_json: bool) -> None:
    """Put jobs files into their one form: order of keys, indentation, spacing. Comments stay.

    Without FILE: the jobs file and all that it includes. `-` reads stdin and writes stdout. The meaning does not
    change: what is written is read again and compared.

    \b
    runner fmt                     # write the jobs file and what it includes
    runner fmt --check --diff      # in CI: show it, and end with 1
    runner fmt - < jobs.yaml       # for an editor
    """
    from runner.config.fmt import formatted

    if paths == ("-",):
        click.echo(_formatted(formatted, sys.stdin.buffer.read(), "<stdin>"), nl=False)
        return
    changed: list[str] = []
    files = [Path(path) for path in paths] or _files(file)
    for path in files:
        try:
            before = path.read_bytes()
        except OSError as error:
            raise frame.fault(frame.EXIT_CONFIG, f"{path} cannot be read: {error.strerror}") from None
        after = _formatted(formatted, before, str(path))
        if after.encode() == before:
            continue
        changed.append(str(path))
        if diff and not as_json:
            old = before.decode("utf-8", "replace").splitlines(keepends=True)
            new = after.splitlines(keepends=True)
            click.echo("".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")), nl=False)
        if not check and not diff:
            _write(path, after)
    if as_json:
        frame.print_json({"files": [str(path) for path in files], "changed": changed})
    else:
        for name in changed:
            click.echo(f"{name}: {'not in form' if check or diff else 'formatted'}", err=True)
        if not changed:
            click.echo(f"{len(files)} file{'s' if len(files) != 1 else ''}, all in form", err=True)
    if check and changed:
        sys.exit(frame.EXIT_FAILED)


def _files(file: str | None) -> list[Path]:
    """The jobs file and what it includes, broken or not: `fmt` needs YAML, not good jobs."""
    from runner.config.diagnose import Trouble
    from runner.config.files import read

    place = frame.place_of(file)
    return [path for path in read(place.files, Trouble()).paths if path.is_file()]


def _formatted(format: object, data: bytes, name: str) -> str:
    try:
        assert callable(format)
        return str(format(data, name))
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(frame.EXIT_CONFIG) from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all, with the file's own rights, through a link to the file itself."""
    real = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, real.stat().st_mode)
        os.replace(name, real)
    except OSError as error:
        raise RunnerError(f"{path} cannot be written: {error.strerror}") from None
