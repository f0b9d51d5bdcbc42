"""A crontab as the text of a jobs file: what cron would do, written in our words, with a note where we differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.errors import TriggerError
from runner.triggers.cron.crontab import parse

_ENV = re.compile(r"""^\s*([A-Za-z_][A-Za-z0-9_]*|"[^"]+"|'[^']+')\s*=\s*(.*?)\s*$""")
_MARK = "INPUT"


@dataclass(slots=True)
class Line:
    """One job of a crontab: where it stands, when it runs, what it runs, and the settings above it."""

    number: int
    schedule: str
    command: str
    stdin: str | None
    user: str
    comment: str
    env: Mapping[str, str]


@dataclass(slots=True)
class Read:
    """A crontab, read. `notes` are for people: line number and what needs their eye."""

    lines: list[Line] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)


def read(text: str, *, system: bool = False, user: str = "") -> Read:
    """The jobs of a crontab; with `system` each line names a user before its command, as in /etc/crontab.

    `user`: whose crontab it is; "" for whoever serves the jobs.
    """
    found = Read()
    env: dict[str, str] = {}
    comment: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# ").rstrip())
            continue
        setting = _ENV.match(line)
        if stripped and setting and not _starts_like_a_job(stripped):
            env = {**env, _unquoted(setting[1]): _unquoted(setting[2])}
        elif stripped:
            _job(found, number, stripped, env, " ".join(comment[-1:]), system, user)
        comment = []
    return found


def _starts_like_a_job(text: str) -> bool:
    return text[0] in "@*" or text[0].isdigit()


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def _job(
    found: Read, number: int, text: str, env: Mapping[str, str], comment: str, system: bool, user: str
) -> None:
    fields = 1 if text.startswith("@") else 5
    parts = text.split(None, fields + (1 if system else 0))
    if len(parts) < fields + (2 if system else 1):
        found.notes.append((number, f"this is no job, and is left out: {text}"))
        return
    when = " ".join(parts[:fields])
    if when.lower() == "@reboot":
        found.notes.append(
            (number, f"@reboot is no time: let the service manager start it ({parts[-1]}); it is left out")
        )
        return
    try:
        parse(when)
    except TriggerError as error:
        found.notes.append((number, f"{error.fact}; it is left out: {text}"))
        return
    command, stdin = _split(parts[-1])
    user = parts[fields] if system else user
    found.lines.append(Line(number, when, command, stdin, user, comment, env))


def _split(text: str) -> tuple[str, str | None]:
    """The command, and what cron would give it on stdin: `%` ends a line unless a backslash stands before it."""
    pieces = [piece.replace(r"\%", "%") for piece in re.split(r"(?<!\\)%", text)]
    command, *rest = pieces
    return command.strip(), "\n".join(rest) + "\n" if rest else None


# ── as a jobs file ──────────────────────────────────────────────────────────────────────────


def as_yaml(found: Read, *, name: str = "crontab", homes: Mapping[str, str] | None = None) -> str:
    """The text of a jobs file that does the same.

    `homes`: the home directory of each user, of "" whose crontab it is; cron begins there, unless HOME is set.
    """
    out = [f"# Taken over from {name}. Look through it, then: runner validate", "version: 1", ""]
    shared = _shared(found.lines)
    addresses = _addresses(found.lines)
    if addresses:
        out.append("# cron mailed what a command printed; this tells when one fails. Name your mail server.")
        out.append("channels:")
        out += [f"  {key}: {_text(_mail(address))}" for address, key in addresses.items()]
        out.append("")
    plain = {key: value for key, value in shared.items() if key not in _OURS}
    if plain:
        out.append("env:")
        out += [f"  {key}: {_text(value)}" for key, value in plain.items()]
        out.append("")
    out += ["defaults:", f"  shell: {_text(shared.get('SHELL', '/bin/sh'))}"]
    # TZ is a variable of the commands alone: cron's own clock does not look at it.
    if zone := shared.get("CRON_TZ"):
        out.append(f"  timezone: {_text(zone)}")
    places = [line.env.get("HOME") or (homes or {}).get(line.user, "") for line in found.lines]
    if places and places[0] and len(set(places)) == 1:
        out += ["  # Where cron begins.", f"  working_dir: {_text(places[0])}"]
        places = [""] * len(places)
    out.append("")
    out.append("jobs:" if found.lines else "jobs: {}")
    for (id, line), place in zip(_named(found.lines), places, strict=True):
        out += _entry(id, line, shared, addresses)
        out += [f"    working_dir: {_text(place)}"] if place else []
    for number, note in found.notes:
        out += ["", f"# line {number}: {note}"]
    return "\n".join(out) + "\n"


_OURS = {"SHELL", "MAILTO", "MAILFROM", "CRON_TZ", "RANDOM_DELAY", "START_HOURS_RANGE"}
"""Settings of cron itself; they are no environment of a command."""


def _shared(lines: list[Line]) -> dict[str, str]:
    """The settings that every job has with the same value."""
    if not lines:
        return {}
    first, *rest = [line.env for line in lines]
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in rest)}


def _addresses(lines: list[Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if address := line.env.get("MAILTO"):
            found.setdefault(address, "mail" if not found else f"mail_{len(found) + 1}")
    return found


def _mail(address: str) -> str:
    return f"mailto://localhost:25?from=cron@localhost&to={address.replace(' ', '')}"


def _named(lines: list[Line]) -> Iterator[tuple[str, Line]]:
    """Each job with an id: its program's name, with a number where that is taken."""
    taken: set[str] = set()
    for line in lines:
        command = re.sub(r"^cd\s+\S+\s*(?:&&|;)\s*", "", line.command)
        words = [word for word in command.split() if "=" not in word.partition("/")[0]]
        base = re.sub(r"[^a-z0-9_.-]+", "-", (words or ["job"])[0].rpartition("/")[2].lower()).strip("-._")
        base = re.sub(r"\.(sh|py|pl|rb)$", "", base) or "job"
        id, count = base, 1
        while id in taken:
            count += 1
            id = f"{base}-{count}"
        taken.add(id)
        yield id, line


def _entry(id: str, line: Line, shared: Mapping[str, str], addresses: Mapping[str, str]) -> Iterator[str]:
    yield f"  {id}:" + (f"  # {line.comment}" if line.comment else "")
    yield f"    schedule: {_text(line.schedule)}"
    own = {key: value for key, value in line.env.items() if shared.get(key) != value}
    if zone := own.pop("CRON_TZ", ""):
        yield f"    timezone: {_text(zone)}"
    if shell := own.get("SHELL"):
        yield f"    shell: {_text(shell)}"
    if line.user:
        yield f"    user: {_text(line.user)}"
    plain = {key: value for key, value in own.items() if key not in _OURS}
    if plain:
        yield "    env:"
        yield from (f"      {key}: {_text(value)}" for key, value in plain.items())
    yield from _run(line)
    if address := line.env.get("MAILTO"):
        yield "    notify:"
        yield f"      on_failure: {addresses[address]}"


def _run(line: Line) -> Iterator[str]:
    command = _literal(line.command)
    if line.stdin is None:
        yield f"    run: {_text(command)}"
        return
    mark = _MARK
    while mark in line.stdin:
        mark += "_"
    yield "    run: |"
    yield f"      {command} <<'{mark}'"
    for each in _literal(line.stdin).splitlines():
        yield f"      {each}" if each else ""
    yield f"      {mark}"


def _literal(text: str) -> str:
    """`${{` means something in our texts: here it is written as an expression that gives it."""
    return text.replace("${{", "${{ '${{' }}")


def _text(value: str) -> str:
    """A YAML text that means these very characters."""
    return json.dumps(value, ensure_ascii=False)
