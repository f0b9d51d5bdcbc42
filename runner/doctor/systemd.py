"""The systemd unit that the runner at work belongs to: whether it lets a stop and a hang end as they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok

ABOUT = "systemd"
_UNIT = re.compile(r"/([^/\n]+\.service)(?=/|$)", re.MULTILINE)
_ASKED = "MainPID,KillMode,WatchdogUSec,Delegate,Restart"
_PATIENCE = 3.0


def unit(case: Case) -> Iterator[Finding]:
    pid = case.process
    if pid is None:
        return
    cgroup = _read(Path(f"/proc/{pid}/cgroup"))
    name = unit_of(cgroup)
    if name is None or not Path("/run/systemd/system").is_dir():
        return
    said = _asked(name, of_user="/user@" in cgroup)
    if said is None:
        yield note(ABOUT, f"process {pid} is of {name}; systemctl does not say how that is set up")
        return
    if said.get("MainPID") != str(pid):
        fact = f"process {pid} was started within {name}, and is no service of its own"
        yield note(ABOUT, fact, "after a crash nobody starts it; docs/deploying.md has a unit")
        return
    found = list(judged(name, said))
    yield from found or [ok(ABOUT, f"{name} is set up as docs/deploying.md says")]


def unit_of(cgroup: str) -> str | None:
    """The innermost service in the text of a /proc/PID/cgroup; a user's own systemd is none of interest."""
    found = _UNIT.findall("\n".join(line.split(":", 2)[-1] for line in cgroup.splitlines()))
    return found[-1] if found and not found[-1].startswith("user@") else None


def judged(name: str, said: Mapping[str, str]) -> Iterator[Finding]:
    """What of a unit's settings is against its runner."""
    kill = said.get("KillMode", "")
    if kill != "process":
        yield note(
            ABOUT,
            f"{name} has KillMode={kill}: a stop or a restart of it kills the commands under way",
            "write KillMode=process, and the next runner takes them over",
        )
    if said.get("Restart", "no") == "no":
        yield note(ABOUT, f"{name} has Restart=no: after a crash nobody starts it", "write Restart=always")
    if said.get("WatchdogUSec", "0") in ("0", "infinity"):
        yield note(
            ABOUT,
            f"{name} has no WatchdogSec: systemd does not see that it hangs (the runner watches itself)",
            "write Type=notify and WatchdogSec=90",
        )
    if said.get("Delegate") != "yes":
        yield note(
            ABOUT, f"{name} has Delegate=no: `limits` of jobs are only enforced in part", "write Delegate=yes"
        )


def _asked(name: str, *, of_user: bool) -> dict[str, str] | None:
    program = shutil.which("systemctl")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *(["--user"] if of_user else []), "show", f"--property={_ASKED}", "--", name],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs if key}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
