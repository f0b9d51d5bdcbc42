"""What changes beside the jobs of two configurations: channels, secrets, groups, executors, maintenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from runner.config import Config
from runner.moment import iso
from runner.views.plan import Key


def beside(old: Config, new: Config) -> tuple[Key, ...]:
    """The keys whose values differ. Addresses of channels and sources of secrets are not said: they hold secrets."""
    return tuple(_keys(old, new))


def _keys(old: Config, new: Config) -> Iterator[Key]:
    for section, first, second in (
        ("channels", old.channels, new.channels),
        ("secrets", old.secrets, new.secrets),
    ):
        for name in dict.fromkeys([*first, *second]):
            if first.get(name) != second.get(name):
                both = name in first and name in second
                yield Key(
                    f"{section}.{name}",
                    "as it was" if both else _there(name, first),
                    "another one" if both else _there(name, second),
                )
    yield from _plain("groups", old.groups, new.groups)
    workers = [{name: each.max_workers for name, each in config.executors.items()} for config in (old, new)]
    yield from _plain("executors", *workers)
    windows = [
        {each.name: f"{iso(each.start, ZoneInfo(config.timezone))} to {iso(each.end, ZoneInfo(config.timezone))}"
         for each in config.maintenance}
        for config in (old, new)
    ]  # fmt: skip
    yield from _plain("maintenance", *windows)


def _there(name: str, section: Mapping[str, Any]) -> str:
    return "there" if name in section else ""


def _plain(section: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Key]:
    for name in dict.fromkeys([*old, *new]):
        first, second = (str(each[name]) if each.get(name) is not None else "" for each in (old, new))
        if first != second or (name in old) != (name in new):
            yield Key(f"{section}.{name}", first or _there(name, old), second or _there(name, new))
