from __future__ import annotations

import os
import queue
import signal

from runner.service.signals import Signals, hold
from tests.waiting import PATIENCE


def test_every_signal_is_told_whatever_the_main_thread_does() -> None:
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    before = signal.getsignal(signal.SIGUSR1)
    signals = Signals([signal.SIGUSR1], told.put)
    signals.open()
    try:
        for _ in range(2000):
            # The word of a signal that comes while the main thread goes to wait must be there all the same.
            os.kill(os.getpid(), signal.SIGUSR1)
            assert told.get(timeout=PATIENCE) == signal.SIGUSR1
    finally:
        signals.close()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_what_comes_before_anybody_listens_is_told_once_somebody_does() -> None:
    before = signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    try:
        hold(signal.SIGUSR2)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR2)
        signals = Signals([signal.SIGUSR1, signal.SIGUSR2], told.put)
        signals.open()
        try:
            assert told.get(timeout=PATIENCE) == signal.SIGUSR2
            os.kill(os.getpid(), signal.SIGUSR1)
            assert told.get(timeout=PATIENCE) == signal.SIGUSR1, "three that were held are one"
        finally:
            signals.close()
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        hold(signal.SIGUSR2)
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)
