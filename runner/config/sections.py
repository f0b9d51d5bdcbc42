"""What stands beside the jobs: values, channels, calendars, executors, groups, maintenance, tests; joined over files.

Each key of a file is checked by itself, so that a mistake in one is no reason to call the names of another unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config import expected, maintenance
from runner.config.diagnose import Trouble
from runner.config.document import FileModel, TestModel
from runner.config.files import Document, read_bytes
from runner.config.jobs import defaults_of
from runner.config.model import Channel, Executor, Heartbeat, Storage
from runner.config.node import Map, Node, Seq, find, kind_of
from runner.config.salvage import sound_items
from runner.config.shape import checked
from runner.core.event import Maintenance
from runner.errors import TriggerError
from runner.triggers.calendars import Calendar
from runner.triggers.calendars import read as read_calendar
from runner.triggers.windows import Window
from runner.triggers.zones import zone as zone_named

_JOINED = ("vars", "env", "secrets", "channels", "calendars", "executors", "groups", "templates")
_HALVES = ("jobs", "templates", "defaults")
"""Jobs and halves of jobs: checked once they are whole."""
_LATER = ("ssh", "docker", "celery", "dask", "kubernetes")
"""Executors that are planned: their keys are nobody's mistake."""


class Sections:
    """The sections of all files; what is wrong with them is noted in `trouble`."""

    def __init__(self, documents: Sequence[Document], home: Path, trouble: Trouble) -> None:
        self.documents = documents
        self.home = home
        self.trouble = trouble
        self.nodes: dict[str, Map] = {}
        self.models: list[FileModel] = []
        self.tests: list[tuple[TestModel, Map]] = []
        for document in documents:
            self._read(document.root)

    def _read(self, root: Map) -> None:
        for name, node in root.nodes.items():
            if name in _HALVES or name.startswith("x-"):
                continue
            if self.trouble.full:
                break
            alone = Map(root.at)
            alone.put(name, root.keys[name], self._available(node) if name == "executors" else node)
            model = checked(FileModel, alone, self.trouble)
            if model is None and (rest := sound_items(FileModel, alone, name)) is not None:
                model, node = rest
            if model is not None:
                self.models.append(model)
                if name == "tests":
                    self.tests += expected.pairs(model.tests, node)
        for name in _HALVES:
            given = root.nodes.get(name)
            if given is not None and given.value is not None and not isinstance(given, Map):
                self.trouble.add("type", f"`{name}` needs a mapping, not {kind_of(given.value)}", given.at,
                                 help=f"write each below `{name}:` under its own name")  # fmt: skip
        for name in _JOINED:
            section = root.nodes.get(name)
            if isinstance(section, Map):
                self._join(name, section)

    def _available(self, node: Node) -> Node:
        """The executors less those of kinds that are not yet there, each of which is a problem."""
        if not isinstance(node, Map):
            return node
        rest = Map(node.at)
        for name, child in node.nodes.items():
            said = find(child, ("type",)) if isinstance(child, Map) else child
            if said.value in _LATER:
                self.trouble.add("not-yet", f"the executor type `{said.value}` is not yet available", said.at,
                                 help="the type `local` is")  # fmt: skip
            else:
                rest.put(name, node.keys[name], child)
        return rest

    def _join(self, name: str, node: Map) -> None:
        below = self.nodes.setdefault(name, Map(node.at))
        below.dynamic |= node.dynamic
        for key, child in node.nodes.items():
            if key in below.nodes and name not in ("vars", "env"):
                first = below.keys[key]
                place = f"{first[0].file}:{first[1] + first[0].first_line}"
                self.trouble.add("duplicate", f"`{key}` is declared twice under `{name}`", node.keys[key],
                                 help=f"it is also at {place}")  # fmt: skip
            below.put(key, node.keys[key], child)

    def mapping(self, name: str) -> Mapping[str, Node]:
        """What all files say under a key, by name, well or not."""
        section = self.nodes.get(name)
        return section.nodes if section is not None else {}

    def _of_models(self, name: str) -> Iterator[tuple[str, Any]]:
        for model in self.models:
            yield from (getattr(model, name) or {}).items()

    def heartbeat(self) -> Heartbeat | None:
        given = [model.heartbeat for model in self.models if model.heartbeat is not None]
        return Heartbeat(given[-1].url, given[-1].every) if given else None

    def storage(self) -> Storage:
        given = [model.storage for model in self.models if model.storage is not None]
        return Storage(given[-1].logs, given[-1].keep_free) if given else Storage()

    # ── one after the other ─────────────────────────────────────────────────────────────────

    def channels(self, address: Callable[[str], str]) -> dict[str, Channel]:
        found = {
            name: Channel(name, tuple(each.urls), each.min_interval, each.quiet)
            for name, each in self._of_models("channels")
        }
        for name, channel in found.items():
            self._check_channel(self.mapping("channels")[name], channel, address)
        return found

    def _check_channel(self, node: Node, channel: Channel, address: Callable[[str], str]) -> None:
        if channel.quiet is not None:
            try:
                Window.of(channel.quiet)
            except TriggerError as error:
                place = find(node, ("quiet",)).at
                help = 'write quiet: "22:00-07:00"'
                self.trouble.add("bad-value", f"quiet: {error.fact}", place, help=help)
        for number, url in enumerate(channel.urls):
            if fact := address(url):
                help = "the Apprise wiki says how the address of each service is written"
                at = find(node, ("urls", number) if isinstance(node, Map) else (number,)).at
                self.trouble.add("bad-address", fact, at, help=help)

    def secrets(self) -> dict[str, Mapping[str, Any]]:
        found = {name: each.model_dump(exclude_none=True) for name, each in self._of_models("secrets")}
        for name, each in found.items():
            if len(each) != 1:
                at = self.mapping("secrets")[name].at
                what = "has no source" if not each else "has more than one source"
                help = "write one of {env: NAME}, {file: PATH}, {command: [program, argument]}"
                self.trouble.add("value", f"the secret `{name}` {what}", at, help=help)
        return found

    def executors(self) -> dict[str, Executor]:
        found = {"default": Executor()}
        for name, each in self._of_models("executors"):
            found[name] = Executor(name, "local", each.max_workers, each.python or "processes")
        return found

    def groups(self) -> dict[str, int]:
        known = {name: each.max for name, each in self._of_models("groups")}
        return {name: known.get(name, 1) for name in self.mapping("groups")}

    def environment(self) -> dict[str, str]:
        return dict(self._of_models("env"))

    def env_files(self) -> tuple[str, ...]:
        """Checked to be there, unless their names end in `?`."""
        found = tuple(each for model in self.models for each in model.env_file or ())
        for document in self.documents:
            node = document.root.nodes.get("env_file")
            for each in node.nodes if isinstance(node, Seq) else [node] if node is not None else []:
                name = str(each.value)
                if name in found and not name.endswith("?") and not (self.home / name).is_file():
                    self.trouble.add("file", f"there is no env file {name}", each.at,
                                     help=f"write `{name}?` where it may be missing")  # fmt: skip
        return found

    def calendars(self) -> dict[str, Calendar]:
        found: dict[str, Calendar] = {}
        for name, node in self.mapping("calendars").items():
            if not isinstance(node, Map):
                # Told already; and it is there, for all that.
                found[name] = read_calendar(name, {})
                continue
            data = {key: _days(key, child) for key, child in node.nodes.items()}
            try:
                found[name] = read_calendar(name, data, ics=self._ics(node))
            except TriggerError as error:
                self.trouble.add("calendar", error.fact, find(node, error.path).at, help=error.hint)
                # Nobody is told to add it.
                found[name] = read_calendar(name, {})
        return found

    def ics_files(self) -> list[Path]:
        """Files beside the configuration that change what it means."""
        return [
            self.home / str(node.nodes["ics"].value)
            for node in self.mapping("calendars").values()
            if isinstance(node, Map) and "ics" in node.nodes
        ]

    def _ics(self, node: Map) -> str | None:
        file = node.nodes.get("ics")
        if file is None:
            return None
        try:
            return read_bytes(self.home / str(file.value)).decode("utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            self.trouble.add("file", f"{file.value} cannot be read: {why}", file.at,
                             help="the path is relative to the main file")  # fmt: skip
            return None

    def maintenance(self, zone: str, calendars: Mapping[str, Calendar]) -> tuple[Maintenance, ...]:
        """The windows of all files; `zone` is that of a file which names none."""
        found = []
        for document in self.documents:
            listed = document.root.nodes.get("maintenance")
            reader = maintenance.Reader(self.trouble, _zone_of(document, zone), calendars)
            for node in listed.nodes if isinstance(listed, Seq) else ():
                if isinstance(node, Map) and (window := reader.window(node)) is not None:
                    found.append(window)
        return tuple(found)


def _zone_of(document: Document, machine: str) -> str:
    """The zone of a file's times that have no offset: that of its jobs, else the machine's."""
    defaults = defaults_of(document)
    named = defaults.nodes.get("timezone") if defaults is not None else None
    if named is None or not isinstance(named.value, str):
        return machine
    try:
        return zone_named(named.value).name
    except TriggerError:  # said where the jobs are read
        return machine


def _days(key: str, node: Node) -> Any:
    """A calendar's value; texts where a list is meant."""
    value = node.value
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)] if key in ("weekend", "add", "remove") and value is not None else value
