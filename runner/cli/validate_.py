from __future__ import annotations

import sys
from typing import Any

import click

from runner.cli import frame
from runner.errors import ConfigError


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@frame.file_option
@click.option("--strict", is_flag=True, help="warnings are errors")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
)
@frame.json_option
def command(paths: tuple[str, ...], file: str | None, strict: bool, form: str, as_json: bool) -> None:
    """Check a jobs file, and say everything that is wrong with it.

    Nothing is executed, and nothing is imported. Exit 0 where it is good, 3 where it is not.
    """
    from runner import config
    from runner.clock import SystemClock

    now = SystemClock().now()
    form = "json" if as_json else form
    errors: list[Any] = []
    warnings: list[Any] = []
    for path in paths or (file,):
        place = frame.place_of(path)
        try:
            loaded = config.load(place.files, address=_address, now=now)
        except ConfigError as error:
            errors += getattr(error, "problems", [])
        else:
            warnings += loaded.warnings
            if form == "text":
                click.echo(f"{place.file}: {_count(len(loaded.jobs), 'job')}, good")
    _print(form, errors, warnings)
    if errors or (strict and warnings):
        sys.exit(frame.EXIT_CONFIG)


def _address(url: str) -> str:
    """Loaded where a file has channels: it knows a hundred services."""
    from runner.notify.targets import check

    return check(url)


def _print(form: str, errors: list[Any], warnings: list[Any]) -> None:
    if form == "json":
        frame.print_json({"errors": [_row(p) for p in errors], "warnings": [_row(p) for p in warnings]})
    elif form == "sarif":
        frame.print_document(_sarif(errors, warnings))
    elif form == "github":
        for level, problems in (("error", errors), ("warning", warnings)):
            for p in problems:
                where = f"file={p.file},line={p.line},col={p.column}"
                text = p.message + (f" ({p.help})" if p.help else "")
                click.echo(f"::{level} {where},title={p.kind}::{_escaped(text)}")
    else:
        for problem in [*errors, *warnings]:
            click.echo(str(problem), err=True)
            click.echo("", err=True)
        if errors or warnings:
            click.echo(f"{_count(len(errors), 'error')}, {_count(len(warnings), 'warning')}", err=True)


def _row(problem: Any) -> dict[str, Any]:
    keys = ("kind", "message", "file", "line", "column", "help")
    return {key: getattr(problem, key) for key in keys}


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _sarif(errors: list[Any], warnings: list[Any]) -> dict[str, Any]:
    results = [
        {
            "ruleId": p.kind,
            "level": level,
            "message": {"text": p.message + (f"\n{p.help}" if p.help else "")},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": str(p.file)},
                        "region": {"startLine": max(1, p.line), "startColumn": max(1, p.column)},
                    }
                }
            ],
        }
        for level, problems in (("error", errors), ("warning", warnings))
        for p in problems
    ]
    rules = [{"id": kind} for kind in sorted({r["ruleId"] for r in results})]
    driver = {"name": "runner", "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
