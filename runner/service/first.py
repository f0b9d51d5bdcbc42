"""What comes before everything else in a process that is the runner's own.

As the first process of a container: a small parent that reaps what nobody waits for, and hands signals on.

The kernel gives every orphan to process 1. If the runner waited for children it does not know, it would take the
exit codes of those it does know from whoever waits for them.
"""

from __future__ import annotations

import contextlib
import os
import signal

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def split() -> None:
    """Where this is process 1, go on as its child; the parent ends with the child's exit code. Before any thread."""
    if os.getpid() != 1:
        return
    # Process 1 has no default actions: a signal that came before its handler would be lost.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    for number in _HANDED_ON:
        signal.signal(number, lambda number, _frame: _hand_on(child, number))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os._exit(_reap(child))


def keep_descriptors() -> None:
    """What this process inherited open is not handed on to commands."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if int(name) > 2:
                    os.set_inheritable(int(name), False)


def _hand_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _reap(child: int) -> int:
    """Reap whatever ends until the child does; its exit code, as a shell would say it."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 0
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
