"""The small POSIX shell program every command runs behind.

It is started in a session of its own and keeps, without the runner, what must not be lost when the runner
dies: that the command has begun (a marker made with O_EXCL, so that an attempt begins once), that it lives
(a lock on an inherited descriptor, which the command does not get), its output (the pipes stay open, so that
writing never fails) and its exit code. It begins nothing after the lease of the runner that started
it: a runner that was frozen and goes on has started nothing, whatever it was about to do. After the end it
waits until a runner has read the rest of the output, and is then killed by it. See docs/commands.md.

Where the system knows a limit on file locks (Linux, which has not enforced it for twenty years), it is set to a number
made of the attempt's id: a mark that every descendant inherits, that cannot be raised again, and that outlives a
cleaned environment.

Only shell builtins are used: the shim costs one fork and no other program. The command is a foreground
child, because a background child of a shell ignores SIGINT; the traps (not ignored signals, which would be
inherited) let the shim outlive a signal to the whole group.
"""

from __future__ import annotations

STOP = "stop"
"""The file that says why it shall end: written before the signal is sent, which a shell loses in the instant of its
fork."""
READ_FDS = (4, 5)
"""The reading ends of stdout and stderr, kept open so that a command never writes to nobody."""
WRITE_FDS = (6, 7)
"""The writing ends: closed before the end is told, so that a runner hears of both at once."""
TOO_LATE = 76
"""What it ends with where its deadline had passed before it began."""
LOCK_FD = 8

TEXT = r"""
i=$1 b=$2 s=$3 w=$4 n=$5 k=$6 e=$7 r=$8 t=$9; shift 9
if [ -n "$t" ]; then
  read u _ </proc/uptime || exit 76
  [ "${u%.*}${u#*.}" -lt "$t" ] || exit 76
fi
umask 077
set -C
{ echo "$$" >"$b"; } 2>/dev/null || exit 75
set +C
trap : HUP INT QUIT TERM USR1 USR2 ALRM
m=${i%????????????????????}
(
  { ulimit -w "$((0x$m + 1))" || ulimit -x "$((0x$m + 1))"; } 2>/dev/null
  [ -e "$s" ] && exit 143
  [ -z "$n" ] || ulimit -Sn "$n"
  umask "$k"
  cd "$w" || exit 126
  exec "$@"
) >&6 2>&7 3<&- 4<&- 5<&- 6>&- 7>&- 8<&- 9<&-
c=$?
echo "$c" >>"$b"
exec 6>&- 7>&-
echo "$i $c" >"$e"
: <"$r"
"""


def argv(
    name: str,
    marker: str,
    stop: str,
    working_dir: str,
    descriptors: str,
    umask: str,
    ended: str,
    rest: str,
    deadline: str,
    command: tuple[str, ...],
) -> list[str]:
    """The shim's argument list.

    `marker`: the file it makes, with its pid, and after the end, on a second line, the exit code; `stop`: the one that
    says it shall not begin. `descriptors`: the command's soft limit of them, or nothing; `umask`: the command's, while
    what the shim makes is its owner's alone. `ended`: the pipe it tells its end to; `rest`: the one it then waits on.

    `deadline`: hundredths of a second of the machine's uptime, or nothing; later the command is not begun.
    """
    given = [name, marker, stop, working_dir, descriptors, umask, ended, rest, deadline]
    return ["/bin/sh", "-c", TEXT, "runner-shim", *given, *command]
