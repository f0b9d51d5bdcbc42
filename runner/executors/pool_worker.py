"""One process of a process pool: it is handed calls over a pipe, one at a time."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from runner.clock import Clock
from runner.core.run import Outcome, Status
from runner.executors.calls import outputs_of, perform, said
from runner.spec import Call


class RemoteTraceback(Exception):
    """The cause of an exception that came from another process: its traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


_ENDS: set[Connection] = set()
"""This process's ends of the pipes to its workers."""


class Worker:
    """Owned by one thread, but for `kill`. `spent`: it has done all it shall, or has died."""

    def __init__(
        self,
        context: BaseContext,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        most: int | None,
    ) -> None:
        ours, theirs = context.Pipe()
        for end in (ours, theirs):
            # In a program that gevent has patched a pipe never blocks, and who reads it too early has an error.
            os.set_blocking(end.fileno(), True)
        self._connection = ours
        self._left = most
        self.spent = False
        self._process: Any = context.Process(  # type: ignore[attr-defined]  # each context has one
            target=_serve, args=(theirs, ours, initializer, initargs), name="runner-worker", daemon=True
        )
        _ENDS.add(ours)
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        return not self.spent and bool(self._process.is_alive())

    def call(self, work: Call, clock: Clock) -> Outcome:
        """Have it called there and wait; what goes wrong on the way is a failed outcome too."""
        started_at = clock.now()
        try:
            data = pickle.dumps((work.target, work.args, dict(work.kwargs)))
        except Exception as error:
            return Outcome(
                Status.FAILED,
                error=f"it cannot be handed to another process: {said(error)}",
                exception=error,
                started_at=started_at,
                ended_at=clock.now(),
            )
        answer = self._answer(data)
        if answer is None:
            self._process.join()
            self.spent = True
            fate = _died(self._process.exitcode)
            return Outcome(Status.FAILED, error=fate, started_at=started_at, ended_at=clock.now())
        self._count()
        return _outcome(answer, started_at, clock.now())

    def kill(self) -> None:
        """End it now, from any thread."""
        with contextlib.suppress(Exception):
            self._process.kill()

    def close(self) -> None:
        self.spent = True
        _ENDS.discard(self._connection)
        with contextlib.suppress(OSError):
            # Said, not only shown by closing: a worker forked later holds a copy of this end.
            self._connection.send_bytes(b"")
            self._connection.close()
        self._process.join(1)
        self.kill()

    def _answer(self, data: bytes) -> tuple[Any, ...] | None:
        try:
            self._connection.send_bytes(data)
            wait([self._connection, self._process.sentinel])
            if self._connection.poll():
                answer: tuple[Any, ...] = pickle.loads(self._connection.recv_bytes())
                return answer
        except (EOFError, OSError):
            return None
        return None

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            self.spent = self._left <= 0


def _outcome(answer: tuple[Any, ...], started_at: int, ended_at: int) -> Outcome:
    good, value, text = answer
    if good:
        return Outcome(
            Status.SUCCEEDED,
            value=value,
            outputs=outputs_of(value, strict=False),
            started_at=started_at,
            ended_at=ended_at,
        )
    value.__cause__ = RemoteTraceback(text)
    return Outcome(
        Status.FAILED,
        error=said(value),
        exception=value,
        traceback=text,
        started_at=started_at,
        ended_at=ended_at,
    )


def _died(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"its process was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was killed by signal {-code}"
    return f"its process ended without a result (exit code {code})"


def _serve(
    connection: Connection,
    parents: Connection,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    """The process's whole life: ends when the pipe does, that is when its parent does."""
    # A forked child has copies of the parent's ends, of its own pipe and of its sisters': kept open, the pipes would
    # never end, and a killed parent would leave all of them waiting for ever.
    for end in {parents, *_ENDS}:
        end.close()
    # What the parent does about signals is the parent's: under Twisted a SIGTERM would only be noted.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if initializer is not None:
        initializer(*initargs)
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return
        if not data:
            return
        connection.send_bytes(_packed(_called(data)))


def _called(data: bytes) -> tuple[bool, Any, str]:
    try:
        target, args, kwargs = pickle.loads(data)
        return True, perform(Call(target, args, kwargs)), ""
    except (Exception, SystemExit) as error:
        return False, error, "".join(traceback.format_exception(error))


def _packed(answer: tuple[bool, Any, str]) -> bytes:
    try:
        data = pickle.dumps(answer)
        pickle.loads(data)
        return data
    except Exception as error:
        good, value, text = answer
        if good:
            text = f"what it returned cannot be handed back: {said(error)}"
            return pickle.dumps((False, TypeError(text), text))
        return pickle.dumps((False, RuntimeError(said(value)), text))
