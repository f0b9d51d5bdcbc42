"""Every live command of an executor, watched until its outcome is told. One loop thread does it all."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome
from runner.executors import shim, verdict
from runner.executors.backlog import HOLD
from runner.executors.child import Child
from runner.executors.loop import Loop, guarded
from runner.executors.marks import write_private
from runner.executors.output import path_of, tail
from runner.executors.stopping import Stopper
from runner.executors.terms import Terms
from runner.moment import MILLISECOND, SECOND, Moment

Done = Callable[[AttemptKey, Outcome], None]

LATE_OUTPUT = SECOND
"""How long a command's children may go on writing after it ended, before the outcome is told."""
POLL = SECOND
YOUNG = SECOND // 2
"""So long the death of a shim of ours is known by its pipes alone. Most commands have ended by then, and a descriptor
that tells of it costs more than a pipe."""

READ_LATE = 100 * MILLISECOND
"""An end is read so long after it at most, unless the runner was stopped, or the machine suspended."""
_BEHIND = 20 * MILLISECOND
"""The time of a file is so far behind the clock at most."""
DYING = 10 * MILLISECOND
"""A shim that has let go of its pipes is gone soon: so long after it is looked for."""


class Watch:
    """`add` and `children` are for any thread, all else runs on the loop.

    `again` begins anew what its shim came too late to begin.
    """

    def __init__(
        self, name: str, state_dir: Path, clock: Clock, loop: Loop, done: Done, again: Callable[[Child], None]
    ) -> None:
        self.children: dict[str, Child] = {}
        self._state_dir = state_dir
        self._clock = clock
        self._loop = loop
        self._done = done
        self._again = again
        self._judges = ThreadPoolExecutor(2, thread_name_prefix=f"runner-judge-{name}")
        self._judging: set[Future[None]] = set()
        self._stopper = Stopper(state_dir, loop, clock, self._finish)
        self._shims: dict[int, Child] = {}
        """Our own children that are not reaped yet."""
        self._lock = threading.Lock()
        self._young = Terms(loop, clock, YOUNG, self._outgrown, lambda child: child.gone)
        self._dying = Terms(loop, clock, DYING, self._outgrown, lambda child: child.gone)
        self._late = Terms(loop, clock, LATE_OUTPUT, self._finish, lambda child: child.finished)

    def add(self, child: Child) -> None:
        """Watch it from now on, and keep it among the children unless it is over already."""
        if child.own:
            self._shims[child.pid] = child
        for index in range(len(child.pipes)):
            self._listen(child, index)
        with self._lock:
            if not child.finished:
                self.children[child.name] = child
        if child.adopted:
            self._loop.call(partial(self._taken_over, child))
        else:
            self._young.put(child)

    def ended(self, child: Child, code: int | None) -> None:
        """It has told its exit code, or its shim is gone and left one, or none."""
        if child.ended_at is not None:
            return
        child.exit_code = code
        child.ended_at = self._time_of_end(child)
        if not child.gone:
            try:
                os.kill(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if child.stopping:
            return
        if child.exit_code is None:
            # The shim was killed from outside. Nobody could tell how the command ends, so it may not go on.
            self._stopper.kill_now(child)
            return
        if max(child.pipes) < 0:
            self._settle(child)
        elif not child.adopted and self._clock.now() - child.ended_at >= LATE_OUTPUT:
            # The time for more output went by while nobody read. What lies in the pipes is in this turn of the loop.
            self._loop.later(0, partial(self._finish, child))
        else:
            self._late.put(child)

    def _time_of_end(self, child: Child) -> Moment:
        """When it ended, which was long ago where the runner stood still, or was not there."""
        now, marks = self._clock.now(), child.launch.order.marks
        changed = marks.changed_at() if child.exit_code is not None else None
        if changed is None:
            return now
        if child.adopted:
            return changed
        if now - changed < READ_LATE or changed < child.started_at - _BEHIND:
            return now
        # A full disk took no end: then it was last written when the command began.
        return changed if marks.exit_code() is not None else now

    def told(self, most: float) -> None:
        """Wait until the outcomes are told of all that has ended by now, `most` seconds at most. Not on the loop."""
        deadline = self._clock.elapsed() + int(most * SECOND)
        # What the loop does now it may have begun before some of them ended, and the next turn puts off what the one
        # after it does.
        for _ in range(3):
            passed = threading.Event()
            self._loop.call(partial(self._loop.later, 0, passed.set))
            if not passed.wait(most):
                return
        wait(list(self._judging), max(0, deadline - self._clock.elapsed()) / SECOND)

    def stop(self, child: Child, reason: str) -> None:
        """Have its tree stopped; an end that came before stands."""
        if child.finished or (child.ended_at is not None and not child.stopping):
            return
        if not child.stopping:
            child.stopping = reason
            with contextlib.suppress(OSError):
                write_private(child.launch.order.marks.file(shim.STOP), reason.encode())
        self._stopper.stop(child)

    def stop_all(self, empty: threading.Event) -> None:
        """Stop every command; `empty` is set when the last is gone."""
        for child in list(self.children.values()):
            self.stop(child, "shutdown")
        self._wait_empty(empty)

    def outcome(self, child: Child) -> Outcome:
        """What its end means."""
        ended_at = self._clock.now() if child.ended_at is None else child.ended_at
        wrote = child.log.written or child.adopted
        if child.log.written and child.lost and not child.trouble:
            # It is the log that people read: where the end of the output was dropped, it ends with the word for it.
            child.note_lost(ended_at)
            child.log.close()
        return verdict.outcome(child, ended_at, tail(path_of(self._state_dir, child.key)) if wrote else "")

    def close(self) -> None:
        """After the loop's end: what is still under way is left to the next process."""
        self._judges.shutdown(wait=True)
        self._reap()
        for child in self.children.values():
            child.close(self._clock.now())
            if child.pidfd >= 0:
                os.close(child.pidfd)
        self.children.clear()

    # -- output

    def _listen(self, child: Child, index: int) -> None:
        self._loop.watch(
            child.pipes[index], partial(self._readable, child, index), partial(self._pipe_ended, child, index)
        )

    def _readable(self, child: Child, index: int) -> None:
        if not child.pour(index, self._clock.now()):
            self._pipe_ended(child, index)
            return
        if child.holds and not child.due:
            child.due = True
            self._loop.later(HOLD, partial(self._let_go, child))
        if child.pressing:
            # Each write to a pipe that somebody watches tells of it, which takes a tenth of the time of a flood.
            self._loop.unwatch(child.pipes[index])
            self._loop.later(0, partial(self._flows, child, index))

    def _flows(self, child: Child, index: int) -> None:
        """More of a flood has come by now."""
        if child.finished or child.pipes[index] < 0:
            return
        try:
            self._readable(child, index)
        finally:
            if not child.pressing and child.pipes[index] >= 0:
                self._listen(child, index)

    def _let_go(self, child: Child) -> None:
        child.due = False
        if not child.finished:
            child.let_go(self._clock.now())

    def _pipe_ended(self, child: Child, index: int) -> None:
        self._loop.unwatch(child.pipes[index])
        child.close_pipe(index)
        if max(child.pipes) < 0:
            if child.ended_at is None and not child.gone:
                # Before it lets go of them its shim writes down the exit code, and tells its end next: that need not
                # be waited for. Where a full disk took nothing it is, and where the shim is gone there is nothing.
                code = child.launch.order.marks.exit_code()
                if code is not None:
                    self.ended(child, code)
            if child.own and not child.gone:
                self._dying.put(child)
            self._settle(child)

    # -- whether the shim is there

    def _outgrown(self, child: Child) -> None:
        if child.pidfd < 0 and not self._reaped(child):
            self._attend(child)

    def _attend(self, child: Child) -> None:
        """Hear of the death of its shim."""
        try:
            child.pidfd = os.pidfd_open(child.pid)
            self._loop.watch(child.pidfd, partial(self._shim_ended, child))
        except (OSError, AttributeError):
            self._loop.later(POLL // 20, partial(self._look, child))

    def _shim_ended(self, child: Child) -> None:
        if not child.own or not self._reaped(child):
            self._shim_is_gone(child)

    def _look(self, child: Child) -> None:
        """Where there is no pidfd: ask from time to time whether the shim is there."""
        if child.gone:
            return
        if child.own:
            ended = self._reaped(child)
        elif ended := not child.launch.order.marks.alive():
            self._shim_is_gone(child)
        if not ended:
            self._loop.later(POLL // 20, partial(self._look, child))

    def _reaped(self, child: Child) -> bool:
        """Whether the shim, a child of ours, is gone; then it is told and forgotten."""
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = child.pid, 0
        if not pid:
            return False
        child.refused = os.waitstatus_to_exitcode(status) == shim.TOO_LATE
        self._shim_is_gone(child)
        return True

    def _shim_is_gone(self, child: Child) -> None:
        if child.pidfd >= 0:
            self._loop.unwatch(child.pidfd)
            os.close(child.pidfd)
            child.pidfd = -1
        child.gone = True
        self._shims.pop(child.pid, None)
        if child.ended_at is not None or child.finished:
            self._settle(child)
        elif child.refused:
            self._refused(child)
        else:
            self.ended(child, child.launch.order.marks.exit_code())

    def _refused(self, child: Child) -> None:
        """The shim came too late to begin: again, as long as this runner leads; else the one that does begins it."""
        self._forget(child)
        for index, pipe in enumerate(child.pipes):
            self._loop.unwatch(pipe)
            child.close_pipe(index)
        self._again(child)

    # -- one taken over

    def _taken_over(self, child: Child) -> None:
        if not child.finished:
            self._attend(child)
        if child.stopping:
            self.stop(child, child.stopping)
        self._look_for_exit(child)

    def _look_for_exit(self, child: Child) -> None:
        """It may have told its end to a runner that is no more."""
        if child.finished or child.ended_at is not None:
            return
        code = child.launch.order.marks.exit_code()
        if code is not None:
            self.ended(child, code)
        else:
            self._loop.later(POLL, partial(self._look_for_exit, child))

    # -- the end

    def _settle(self, child: Child) -> None:
        """Told as soon as it has ended and nobody is left who could write."""
        if child.ended_at is not None and not child.stopping and not child.killed and max(child.pipes) < 0:
            self._finish(child)

    def _finish(self, child: Child) -> None:
        if child.finished:
            return
        self._forget(child)
        # Its end is told whatever becomes of its output.
        guarded(self._put_away, child)
        if child.launch.slow:
            judged = self._judges.submit(self._judge, child)
            self._judging.add(judged)
            judged.add_done_callback(self._judging.discard)
        else:
            self._judge(child)

    def _put_away(self, child: Child) -> None:
        now = self._clock.now()
        if max(child.pipes) >= 0:
            for pipe in child.pipes:
                if pipe >= 0:
                    self._loop.unwatch(pipe)
            child.drain(now)
        child.close(now)

    def _forget(self, child: Child) -> None:
        child.finished = True
        with self._lock:
            self.children.pop(child.name, None)

    def _judge(self, child: Child) -> None:
        try:
            outcome = self.outcome(child)
        except Exception as error:
            outcome = verdict.failed(error)
        self._done(child.key, outcome)

    def _reap(self) -> None:
        for child in list(self._shims.values()):
            if child.finished:
                self._reaped(child)

    def _wait_empty(self, empty: threading.Event) -> None:
        self._reap()
        if self.children or self._shims:
            self._loop.later(10 * MILLISECOND, partial(self._wait_empty, empty))
        else:
            empty.set()
