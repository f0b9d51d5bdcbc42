"""The judge of clock changes: Debian's own cron daemon, in fast time over the change, against our answers.

The daemon runs in mount and process namespaces of its own, with libfaketime before it, so that nothing of the machine's
cron is touched and everything ends with the test. Which minute a command was started in is read from the kernel's
start time of the process cron forked for it; all lines fire on multiples of five minutes, which leaves room for a
machine that is slow to wake.

One thing is told apart on purpose: of a line that names several times in the hour left out, Debian's cron starts the
command once for each, all at the same moment. Ours is one firing: a moment is due once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from runner.moment import SECOND
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.zones import zone as clocks

SPEED = 400
GRID = 300
LAST_CHANGE = 2_000_000_000
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
LONG = bool(os.environ.get("RUNNER_LONG"))

LINES = {
    "gap": "30 2 * * *",
    "edge": "0 3 * * *",
    "list": "15,45 1-2 * * *",
    "plain": "10 1,3 * * *",
    "hourly": "20 * * * *",
    "often": "*/20 * * * *",
    "second": "0 */2 * * *",
    "within": "*/15 2 * * *",
}

# Where, when the daemon is started on the wall clock, for how many minutes.
CHANGES = [
    ("Europe/Berlin", "2026-03-29 01:03:00", 150),
    ("Europe/Berlin", "2026-10-25 01:03:00", 240),
]
MORE = [
    ("America/New_York", "2026-03-08 01:03:00", 150),
    ("America/New_York", "2026-11-01 00:03:00", 240),
    ("Australia/Lord_Howe", "2026-10-04 01:03:00", 150),
    ("Australia/Lord_Howe", "2026-04-05 01:03:00", 180),
    ("Africa/Cairo", "2026-04-23 23:03:00", 240),
    ("America/St_Johns", "2006-04-01 23:03:00", 240),
]


def why_not() -> str:
    """Why the daemon cannot be judged by here; empty where it can."""
    if os.geteuid() != 0:
        return "namespaces for the daemon need root"
    for program in ("cron", "unshare", "mount"):
        if shutil.which(program) is None and not Path(f"/usr/sbin/{program}").exists():
            return f"there is no {program} here (apt-get install cron util-linux)"
    if not LIBRARIES:
        return "there is no libfaketime here (apt-get install libfaketime)"
    tried = subprocess.run(
        ["unshare", "-m", "-p", "-f", "--mount-proc", "true"], capture_output=True, text=True
    )
    return "" if tried.returncode == 0 else f"namespaces cannot be made here: {tried.stderr.strip()}"


SCRIPT = """
set -e
mount -t tmpfs tmpfs /etc/cron.d
mount -t tmpfs tmpfs /run
mount --bind "$DIR/empty" /etc/crontab
mount -t tmpfs tmpfs /var/spool/cron/crontabs
install -m 600 "$DIR/crontab" /var/spool/cron/crontabs/root
date +%s > "$DIR/real"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TZ="$ZONE" LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="@$START x$SPEED" \\
    cron -f &
daemon=$!
cut -d' ' -f22 "/proc/$daemon/stat" > "$DIR/began"
sleep "$SECONDS_LONG"
kill "$daemon"
"""


def judged(zone: str, start: str, minutes: int, directory: Path) -> dict[str, list[int]]:
    """When the daemon started each line's command: seconds since 1970, on the grid."""
    out = directory / "fired"
    out.touch()
    (directory / "empty").touch()
    (directory / "crontab").write_text(
        "SHELL=/bin/sh\n"
        + "".join(
            f"{line} echo {name} $(cut -d' ' -f22 /proc/$PPID/stat) >> {out}\n"
            for name, line in LINES.items()
        )
    )
    long = minutes * 60 / SPEED + 0.4
    subprocess.run(
        ["unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", SCRIPT],
        env=os.environ
        | {
            "DIR": str(directory),
            "ZONE": zone,
            "START": start,
            "SPEED": str(SPEED),
            "FAKETIME_LIBRARY": str(LIBRARIES[0]),
            "SECONDS_LONG": f"{long:.2f}",
        },
        check=True,
        timeout=long + 60,
        capture_output=True,
    )
    ticks = os.sysconf("SC_CLK_TCK")
    began = int((directory / "began").read_text())
    base = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp()
    found: dict[str, list[int]] = {name: [] for name in LINES}
    for line in out.read_text().splitlines():
        name, at = line.split()
        second = base + (int(at) - began) / ticks * SPEED
        found[name].append(int(second // GRID * GRID))
    return {name: sorted(times) for name, times in found.items()}


def ours(text: str, zone: str, start: str, minutes: int) -> list[int]:
    begin = int(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp())
    trigger = CrontabTrigger.of(text, zone)
    found = []
    at = trigger.next_after(begin * SECOND)
    while at is not None and at // SECOND < begin + minutes * 60:
        found.append(at // SECOND)
        at = trigger.next_after(at)
    return found


@pytest.mark.parametrize(("zone", "start", "minutes"), CHANGES + (MORE if LONG else []))
def test_debians_cron_starts_the_same(zone: str, start: str, minutes: int, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    found = judged(zone, start, minutes, tmp_path)
    assert any(found.values()), "the daemon started nothing at all"
    expected = {name: ours(line, zone, start, minutes) for name, line in LINES.items()}
    said = {name: [shown(at, zone) for at in sorted(set(times))] for name, times in found.items()}
    assert said == {name: [shown(at, zone) for at in times] for name, times in expected.items()}
    ends = [second for second, before, then in clocks(zone).changes(0, LAST_CHANGE) if then > before]
    for name, times in found.items():
        twice = {at for at in times if times.count(at) > 1}
        assert twice <= set(ends), f"{name} was started twice at one moment that is not the end of a gap"


def shown(second: int, zone: str) -> str:
    return datetime.fromtimestamp(second, ZoneInfo(zone)).isoformat(timespec="minutes")
