"""What changes beside the jobs of two configurations: channels, secrets, groups, executors, maintenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from runner.config import Config
from runner.core.event import Maintenance
from runner.duration import say_duration
from runner.moment import iso
from runner.triggers.date import DateTrigger
from runner.triggers.wording import words
from runner.views.plan import Key

_HIDDEN = ("channels.", "secrets.")


def sections(config: Config, salt: str = "") -> dict[str, str]:
    """What stands beside the jobs, as texts by key: enough to tell what differs, also for another process.

    Addresses of channels and sources of secrets are not said, only digests of them with the asker's `salt`: they may
    hold secrets.
    """
    zone = ZoneInfo(config.timezone)
    hidden = {f"channels.{name}": repr(each) for name, each in config.channels.items()}
    hidden |= {f"secrets.{name}": repr(sorted(each.items())) for name, each in config.secrets.items()}
    found = {key: hashlib.blake2b(f"{salt}\0{text}".encode()).hexdigest() for key, text in hidden.items()}
    found |= {f"groups.{name}": str(most) for name, most in config.groups.items()}
    for name, each in config.executors.items():
        found[f"executors.{name}"] = "" if each.max_workers is None else str(each.max_workers)
    for window in config.maintenance:
        found[f"maintenance.{window.name}"] = f"{_opens(window, zone)}, for {say_duration(window.length)}"
    return found


def _opens(window: Maintenance, zone: ZoneInfo) -> str:
    once = window.opens.at if isinstance(window.opens, DateTrigger) else None
    return iso(once, zone) if once is not None else words(window.opens)


def beside(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Key, ...]:
    """The keys whose values differ, of two such mappings."""
    keys = [
        Key(name, *_said(name, old, new))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    order = ("channels", "secrets", "groups", "executors", "maintenance")
    return tuple(sorted(keys, key=lambda key: order.index(key.path.partition(".")[0])))


def _said(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, str]:
    if name.startswith(_HIDDEN):
        if name in old and name in new:
            return "as it was", "another one"
        return ("there" if name in old else "", "there" if name in new else "")
    first, second = (each[name] or "there" if name in each else "" for each in (old, new))
    return first, second
