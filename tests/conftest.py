"""What holds for every room of tests."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# A shell has what it starts in the background ignore Ctrl-C, and every process below inherits that: tests that
# interrupt a program would wait for it for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is today is nothing that an example finds out. The suite plays the same examples each time, so
# that it fails because of what was changed; `make long` draws new ones.
for _name, _same in (("suite", True), ("long", False)):
    settings.register_profile(
        _name,
        deadline=None,
        derandomize=_same,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("long" if os.environ.get("RUNNER_LONG") else "suite")
