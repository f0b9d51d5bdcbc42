"""The machine itself: which program this is, its clock, and what it knows of time zones."""

from __future__ import annotations

import getpass
import platform
import socket
import zoneinfo
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from runner import __version__
from runner.amounts import count, few
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.duration import say_duration
from runner.errors import TriggerError
from runner.machine_zone import machine_zone
from runner.moment import MINUTE, iso, to_datetime
from runner.triggers.zones import zone

_OLD_YEARS = 2
"""Governments change the rules of some zone every year."""


def program(case: Case) -> Iterator[Finding]:
    who = f"runner {__version__}, Python {platform.python_version()}, as {_user()} on {socket.gethostname()}"
    alive = case.alive
    other = str(alive.status.get("runner", __version__)) if alive is not None else __version__
    if alive is not None and other != __version__:
        yield note(
            "program",
            f"{who}; process {alive.pid}, which runs the jobs, is runner {other}",
            "start it again, and it is this version",
        )
        return
    yield ok("program", who)


def clock(case: Case) -> Iterator[Finding]:
    """Against what must be older than now: this program's own files and what the runner wrote last."""
    shown = iso(case.now // 1_000_000 * 1_000_000)
    own = int(Path(__file__).stat().st_mtime * 1_000_000)
    if case.now < own - MINUTE:
        yield problem(
            "clock",
            f"it shows {shown}, and this program was installed {say_duration(own - case.now)} later",
            "set the clock (NTP): jobs start by it",
        )
        return
    yield ok("clock", shown)


def zones(case: Case) -> Iterator[Finding]:
    wanted = sorted({spec.timezone for spec in case.specs} or {machine_zone()[0]})
    unknown = [name for name in wanted if not _known(name)]
    if unknown:
        yield problem(
            "time zones",
            f"this machine knows no rules of {few(unknown)}",
            "install the system's package tzdata, or pip install tzdata",
        )
    version, where = _rules()
    what = (
        f"{few(wanted)}; rules of {version} from {where}" if version else f"{few(wanted)}; rules from {where}"
    )
    year = int(version[:4]) if version[:4].isdigit() else None
    if year is not None and year + _OLD_YEARS <= to_datetime(case.now).year:
        yield note(
            "time zones",
            f"{what}: what governments changed since is not in them",
            "update the system's package tzdata; a runner at work takes it with: kill -HUP, or a restart",
        )
    elif not unknown:
        yield ok("time zones", f"{count(len(wanted), 'zone')} in use: {what}")


def _known(name: str) -> bool:
    try:
        zone(name)
    except TriggerError:
        return False
    return True


def _rules() -> tuple[str, str]:
    """The version of the zones' rules, where they say one, and where they come from: the system's go first."""
    for place in zoneinfo.TZPATH:
        if (Path(place) / "Etc" / "UTC").exists():
            return _version_in(Path(place)), place
    try:
        return str(import_module("tzdata").IANA_VERSION), "the package tzdata"
    except ImportError:
        return "", "nowhere"


def _version_in(place: Path) -> str:
    """Debian and others leave it in the first line of tzdata.zi: `# version 2026a`."""
    try:
        with open(place / "tzdata.zi", encoding="ascii", errors="replace") as file:
            words = file.readline(80).split()
    except OSError:
        return ""
    return words[2] if words[:2] == ["#", "version"] and len(words) == 3 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a user without a name"
