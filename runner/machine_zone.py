"""The zone of the machine, for times of which nobody said another one."""

from __future__ import annotations

import contextlib
import os

from runner.errors import TriggerError
from runner.triggers.zones import local_name, zone


def machine_zone() -> tuple[str, str]:
    """Its name, UTC where it has none; and what the variable TZ holds, where that names no zone."""
    given = os.environ.get("TZ", "")
    with contextlib.suppress(TriggerError):
        # `EST5EDT` is a zone's name too, though tzlocal takes no name without a slash.
        return zone(given.removeprefix(":")).name, ""
    path = given.removeprefix(":")
    usable = not given or (os.path.isabs(path) and os.path.isfile(path))
    return local_name(), "" if usable else given
