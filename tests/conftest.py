"""What holds for every room of tests."""

from __future__ import annotations

import signal

# A shell has what it starts in the background ignore Ctrl-C, and every process below inherits that: tests that
# interrupt a program would wait for it for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
