"""An attempt as a runner of an earlier version began it: its directory, its lock, and its own shim.

The shim's text is that version's, and is never brought up to date: shims outlive the upgrade of a runner.
`older.py STATE SCRIPT` begins one and is then killed by a test.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from pathlib import Path

from runner.executors.base import Task
from runner.executors.place import attempt_path
from tests.executors.lone_runner import tasks

SHIM = r"""
d=$1 w=$2 n=$3 e=$4 r=$5 t=$6; shift 6
if [ -n "$t" ]; then
  read u _ </proc/uptime || exit 76
  [ "${u%.*}${u#*.}" -lt "$t" ] || exit 76
fi
set -C
{ echo "$$" >"$d/started"; } 2>/dev/null || exit 75
set +C
trap : HUP INT QUIT TERM USR1 USR2 ALRM
m=${d##*/}; m=${m%????????????????????}
(
  { ulimit -w "$((0x$m + 1))" || ulimit -x "$((0x$m + 1))"; } 2>/dev/null
  [ -e "$d/stop" ] && exit 143
  [ -z "$n" ] || ulimit -Sn "$n"
  cd "$w" || exit 126
  exec "$@"
) >&6 2>&7 3<&- 4<&- 5<&- 6>&- 7>&- 8<&- 9<&-
c=$?
echo "$c" >>"$d/started"
echo "${d##*/} $c" >"$e"
: <"$r"
"""


def made(state_dir: Path, task: Task) -> str:
    """The attempt's directory, as it is before its shim begins."""
    directory = attempt_path(state_dir, task.attempt)
    os.makedirs(os.path.dirname(directory), 0o700, exist_ok=True)
    os.mkdir(directory, 0o700)
    return directory


def begin(state_dir: Path, task: Task, script: str) -> None:
    """Start its shim, whose end this process would hear of."""
    directory = made(state_dir, task)
    ended, rest = (f"{state_dir}/runs/.{name}" for name in ("ended-37a8eec1ce19", "rest"))
    for pipe in (ended, rest):
        os.mkfifo(pipe, 0o600)
    os.open(ended, os.O_RDWR | os.O_CLOEXEC)
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 20) for each in (out, err, out_end, err_end, lock)]
    copies = [(null, 0), (null, 1), (null, 2), *zip(high, (4, 5, 6, 7, 8), strict=True)]
    given = [directory, str(state_dir), "", ended, rest, "", "/bin/sh", "-c", script]
    os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", SHIM, "runner-shim", *given],
        {**os.environ, "RUNNER_ATTEMPT_ID": os.path.basename(directory)},
        file_actions=[(os.POSIX_SPAWN_DUP2, here, there) for here, there in copies],
        setsid=True,
    )


if __name__ == "__main__":
    begin(Path(sys.argv[1]), tasks(sys.argv[2], 1)[0], sys.argv[2])
    print("started", flush=True)
    threading.Event().wait()
