"""Whether gevent has patched this program, so that its threads are greenlets of one real thread."""

from __future__ import annotations

import sys
from collections.abc import Callable


def threads_are_greenlets() -> bool:
    """Looked up each time: a program may be patched after it has imported us."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def on_the_hub() -> bool:
    """Whether the caller is the hub of a patched program itself, as a handler of a signal often is: it cannot wait."""
    if not threads_are_greenlets():
        return False
    import gevent

    return gevent.getcurrent() is gevent.get_hub()


def spawn(function: Callable[[], None]) -> None:
    """Call it in a greenlet of its own, soon."""
    import gevent

    gevent.spawn(function)
