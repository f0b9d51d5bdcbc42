"""The small POSIX shell program every command runs behind.

It is started in a session of its own and keeps, without the runner, what must not be lost when the runner
dies: that the command has begun (a marker made with O_EXCL, so that an attempt begins once), that it lives
(a lock on an inherited descriptor, which the command does not get), its output (the pipes stay open, so that
writing never fails) and its exit code. After the end it waits until a runner has read the rest of the
output, and is then killed by it. See docs/commands.md.

Only shell builtins are used: the shim costs one fork and no other program. The command is a foreground
child, because a background child of a shell ignores SIGINT; the traps (not ignored signals, which would be
inherited) let the shim outlive a signal to the whole group.
"""

from __future__ import annotations

MARKER = "started"
EXIT = "exit"
LOCK = "lock"
STOP = "stop"
"""Why it shall end: written before the signal is sent, which a shell loses in the instant of its fork."""
PIPES = ("out", "err")
LOCK_FD = 8

TEXT = r"""
d=$1 w=$2 n=$3 e=$4 r=$5; shift 5
set -C
{ echo "$$" >"$d/started"; } 2>/dev/null || exit 75
set +C
trap : HUP INT QUIT TERM USR1 USR2 ALRM
exec 6<>"$d/out" 7<>"$d/err"
(
  [ -e "$d/stop" ] && exit 143
  [ -z "$n" ] || ulimit -Sn "$n"
  cd "$w" || exit 126
  exec "$@"
) >"$d/out" 2>"$d/err" 6>&- 7>&- 8>&-
echo "$?" >"$d/exit"
echo "${d##*/}" >"$e"
: <"$r"
"""


def argv(
    directory: str, working_dir: str, descriptors: str, ended: str, rest: str, command: tuple[str, ...]
) -> list[str]:
    """The shim's argument list. `ended`: the pipe it tells its end to; `rest`: the one it then waits on."""
    return ["/bin/sh", "-c", TEXT, "runner-shim", directory, working_dir, descriptors, ended, rest, *command]
