"""What ended while no runner was there: recovery waits for it, so that nobody takes it for a run still at work."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from runner.core.run import AttemptKey, Outcome


class Meanwhile:
    """Attempts that are over, whose last output is still being read. Any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._expected: set[AttemptKey] = set()
        self._told: dict[AttemptKey, Outcome] = {}

    def expect(self, attempt: AttemptKey) -> None:
        """Its end will be told soon; to be said before it can be."""
        with self._changed:
            self._expected.add(attempt)

    def known(self, attempt: AttemptKey) -> None:
        """Its end is known already, or never will be."""
        with self._changed:
            self._expected.discard(attempt)

    def keeps(self, attempt: AttemptKey, outcome: Outcome) -> bool:
        """Whether `wait` will return this end; where not, whoever was told it passes it on."""
        with self._changed:
            if attempt not in self._expected:
                return False
            self._expected.remove(attempt)
            self._told[attempt] = outcome
            self._changed.notify_all()
            return True

    def wait(self, most: float) -> Mapping[AttemptKey, Outcome]:
        """The ends, once all are told or `most` seconds have passed. What is told later is not kept."""
        with self._changed:
            self._changed.wait_for(lambda: not self._expected, most)
            self._expected.clear()
            told, self._told = self._told, {}
            return told
