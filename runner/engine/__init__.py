"""The one imperative shell: inbox -> machine -> one transaction -> starts -> announcements.

`Engine` keeps the clock thread; a `Partition` is one source in one store: its lease, its machine, and the batch
that must be written before anything of it starts.
"""

from runner.engine.batch import Plan
from runner.engine.hands import Hands
from runner.engine.loop import HEAD_START, Engine
from runner.engine.partition import Partition

__all__ = ["HEAD_START", "Engine", "Hands", "Partition", "Plan"]
