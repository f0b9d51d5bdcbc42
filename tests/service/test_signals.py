from __future__ import annotations

import os
import queue
import signal

from runner.service.signals import Signals


def test_every_signal_is_told_whatever_the_main_thread_does() -> None:
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    before = signal.getsignal(signal.SIGUSR1)
    signals = Signals([signal.SIGUSR1], told.put)
    signals.open()
    try:
        for _ in range(2000):
            # The word of a signal that comes while the main thread goes to wait must be there all the same.
            os.kill(os.getpid(), signal.SIGUSR1)
            assert told.get(timeout=10) == signal.SIGUSR1
    finally:
        signals.close()
    assert signal.getsignal(signal.SIGUSR1) == before
