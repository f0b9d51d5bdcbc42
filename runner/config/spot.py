"""Where in its file each part of a job stands, and how a mistake in it is noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from runner.config import patterns
from runner.config.diagnose import Trouble, did_you_mean
from runner.config.document import JobModel
from runner.config.merge import Whole
from runner.config.node import Map, Node, Scalar, find
from runner.triggers.calendars import Calendar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """The names a job may refer to, and the values that hold for all jobs."""

    channels: Mapping[str, Any]
    executors: Mapping[str, Any]
    groups: Mapping[str, int]
    calendars: Mapping[str, Calendar]
    env: Mapping[str, str]
    env_files: tuple[str, ...]
    source: str
    timezone: str
    same: dict[Any, Any] = field(default_factory=dict)
    """One of each value that many jobs have: ten thousand jobs with the same policy keep one."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A job that is being lowered: its nodes, its document, the names it may use, and what is wrong with it."""

    whole: Whole
    model: JobModel
    known: Known
    trouble: Trouble

    def one(self, value: T) -> T:
        """The value, or an equal one that another job has already."""
        found: T = self.known.same.setdefault(value, value)
        return found

    def node(self, *path: str | int) -> Node:
        return find(self.whole.node, path)

    def at(self, *path: str | int) -> Any:
        """The place of a value, or of the key of a list or mapping; where neither is, of what holds it."""
        parent = find(self.whole.node, path[:-1])
        if path and isinstance(parent, Map) and path[-1] in parent.keys:
            node = parent.nodes[str(path[-1])]
            return node.at if isinstance(node, Scalar) else parent.keys[str(path[-1])]
        return find(self.whole.node, path).at

    def key_at(self, key: str) -> Any:
        """The place of one of the job's own keys."""
        return self.whole.node.keys.get(key, self.whole.node.at)

    def add(self, kind: str, fact: str, at: Any, *, help: str = "") -> None:
        self.trouble.add(kind, fact, at, help=help, key=f"jobs.{self.whole.id}")

    def named(self, key: str, name: str | None, names: Mapping[str, Any], *path: str | int) -> str | None:
        if name is not None and name not in names:
            word = {"executor": "executor", "group": "group"}.get(key, key)
            self.add(
                f"unknown-{word}",
                f"there is no {word} {name!r}",
                self.at(*path, key),
                help=declare(word, name, names),
            )
        return name

    def regex(self, pattern: str, *path: str | int) -> None:
        """Note what is wrong with a regular expression."""
        if found := patterns.trouble(pattern):
            fact, help = found
            self.add("value", f"`{path[-1]}` {fact}", self.at(*path), help=help)


def declare(word: str, name: str, names: Iterable[str]) -> str:
    found = list(names)
    if get_close_matches(name, found, 1):
        return did_you_mean(name, found)
    there = f"; there are: {', '.join(sorted(found))}" if found else ""
    return f"declare it under `{word}s:`{there}"
