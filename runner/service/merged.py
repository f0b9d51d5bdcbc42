"""Something that is done again for whoever asks again, and once for all who ask before it begins."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Merged:
    """`ask` may be called from anywhere, and returns at once where the system has a thread to give; the work is done in
    a thread of that `name`."""

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        self._work = work
        self._name = name
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._asked = False

    def ask(self) -> None:
        """Have it done, beginning after this call."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
        try:
            threading.Thread(target=self._do, name=self._name, daemon=True).start()
        except RuntimeError:
            # The system gives no thread: whoever asks does it, or it would never be done again.
            self._do()

    def _do(self) -> None:
        with self._working:
            with self._lock:
                self._asked = False
            self._work()
