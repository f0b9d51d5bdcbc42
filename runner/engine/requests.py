"""What other processes ask of a source: read from its store, each once."""

from __future__ import annotations

from collections.abc import Callable

from runner.core.event import Asked
from runner.core.run import Request
from runner.engine.batch import Entry
from runner.engine.guarded import Guarded


class Requests:
    """`takes` says of a request whether the house takes it upon itself, and answers it later."""

    def __init__(self, store: Guarded, source: str, takes: Callable[[Request], bool] | None = None) -> None:
        self._store = store
        self._source = source
        self._takes = takes
        self._taken: set[str] = set()

    def forget(self) -> None:
        """The lead was lost, and with it perhaps an answer: what is not answered is taken again."""
        self._taken.clear()

    def read(self) -> list[Entry]:
        """Those that the machine shall answer. StoreError."""
        asked = self._store.asked(self._source)
        self._taken &= {request.id for request in asked}
        entries: list[Entry] = []
        for request in asked:
            if request.id in self._taken:
                continue
            if self._takes is not None and self._takes(request):
                self._taken.add(request.id)
            else:
                entries.append(Entry(Asked(request)))
        return entries
