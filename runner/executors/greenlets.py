"""Whether gevent has patched this program, so that its threads are greenlets of one real thread."""

from __future__ import annotations

import sys


def threads_are_greenlets() -> bool:
    """Looked up each time: a program may be patched after it has imported us."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
