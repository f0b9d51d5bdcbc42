"""The verbs for docs/reference.md, written from the command line itself by `make generate`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from runner.cli import SECTIONS, group


def text() -> str:
    """Every verb with its usage, its words, its examples and its options, in Markdown."""
    return "\n".join(_verbs()).rstrip("\n")


def _verbs() -> Iterator[str]:
    with click.Context(group, info_name="runner") as context:
        for name, verbs in SECTIONS.items():
            yield f"### {name}"
            yield ""
            for verb in verbs:
                command = group.get_command(context, verb)
                assert command is not None
                yield from _verb(command, click.Context(command, context, verb))


def _verb(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"#### {context.command_path}"
    yield ""
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}"
    yield ""
    yield from _prose(command.help or "")
    rows = [record for param in command.params if (record := param.get_help_record(context)) is not None]
    rows = [row for row in rows if row[1] and not row[0].startswith("-h")]
    if rows:
        yield "| option | meaning |"
        yield "|---|---|"
        for option, meaning in rows:
            yield f"| `{_cell(option)}` | {_cell(meaning)} |"
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _verb(below, click.Context(below, context, name))


def _prose(help: str) -> Iterator[str]:
    """Paragraphs as they are; what click keeps as it is (`\\b`) as code."""
    for paragraph in inspect.cleandoc(help).split("\n\n"):
        lines = paragraph.split("\n")
        if lines[0] == "\b":
            yield from (f"    {line}".rstrip() for line in lines[1:])
        else:
            yield from (line.replace("<", "\\<") for line in lines)
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
