"""A configuration: every file read, merged, checked and lowered, or every problem of all of them in one error."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tzlocal import get_localzone_name

from runner.config import expected, lint, names
from runner.config.diagnose import Trouble, did_you_mean, unique
from runner.config.document import ID, FileModel, JobModel, TestModel
from runner.config.files import Document, Files, read
from runner.config.lower import Known, job_spec
from runner.config.merge import Whole, extended, merge, whole_jobs
from runner.config.model import Channel, Config, Executor
from runner.config.node import Map, Node, find, kind_of
from runner.config.shape import checked
from runner.core.event import Maintenance
from runner.errors import ConfigError, Problem, TriggerError
from runner.moment import from_datetime
from runner.spec import JobSpec
from runner.triggers.calendars import Calendar
from runner.triggers.calendars import read as read_calendar
from runner.triggers.windows import Window

_SECTIONS = ("vars", "env", "secrets", "channels", "calendars", "executors", "groups", "templates")


@dataclass(slots=True)
class Cache:
    """What a load made of each job, for the next load: a job whose text did not change is not read again."""

    jobs: dict[str, tuple[JobSpec, tuple[Problem, ...]]] = field(default_factory=dict)


def load(
    path: Path | Sequence[Path],
    *,
    cache: Cache | None = None,
    address: Callable[[str], str] = lambda url: "",
) -> Config:
    """The configuration of a file, a directory, or several of them. Nothing is executed, and nothing is imported.

    `address` says what is wrong with a channel's address, as far as can be told without sending.
    Raises ConfigError with every problem of every file.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    paths = [each.absolute() for each in paths]
    with _without_collecting():
        return _Load(paths, cache if cache is not None else Cache(), address).config()


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Loading makes many values that stay: looking for garbage among them only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Load:
    def __init__(self, paths: Sequence[Path], cache: Cache, address: Callable[[str], str]) -> None:
        self.paths = paths
        self.address = address
        self.cache = cache
        self.trouble = Trouble()
        self.sections: dict[str, Map] = {}
        self.models: list[FileModel] = []
        self.tests: list[tuple[TestModel, Map]] = []

    def config(self) -> Config:
        trouble = self.trouble
        files = read(self.paths, trouble)
        jobs = [pair for document in files.documents for pair in self._jobs(document)]
        for document in files.documents:
            self._section(document)
        templates = self._templates()
        calendars = self._calendars(files)
        zone = get_localzone_name() or "UTC"
        known = Known(
            channels=self._mapping("channels"),
            executors={"default": None, **self._mapping("executors")},
            groups=self._groups(),
            calendars=calendars,
            env=self._environment(),
            env_files=self._env_files(),
            source=str(self.paths[0]),
            timezone=zone,
        )
        specs = self._specs(jobs, templates, known)
        self._check_references(specs)
        self._check_env_files(specs)
        channels = self._channels()
        self._check_channels(channels)
        named = {spec.id: spec for _, spec in specs}
        tests = expected.read(self.tests, named, [id for id, _, _ in jobs], channels, trouble)
        if not jobs and files.documents and not trouble:
            first = files.documents[0]
            place = first.root.keys.get("jobs", first.root.at)
            trouble.add(
                "empty",
                "there are no jobs",
                place,
                help="write `jobs:`, and below it `hello:` with `run: echo hello`",
            )
        if any(problem.level == "error" for problem in trouble.problems):
            raise _ordered(trouble, files)
        made = [spec for _, spec in specs]
        warnings = [problem for problem in trouble.problems if problem.level == "warning"]
        warnings += lint.of_all(made, self._place_of_jobs(files), zone)
        return Config(
            path=self.paths[0],
            jobs=tuple(made),
            channels=channels,
            secrets=self._secrets(),
            executors=self._executors(),
            groups=known.groups,
            maintenance=self._maintenance(zone),
            calendars=calendars,
            tests=tests,
            warnings=unique(warnings),
            files=(*files.paths, *self._watched(files, made)),
            digest=files.digest,
            timezone=zone,
        )

    # ── sections ────────────────────────────────────────────────────────────────────────────

    def _section(self, document: Document) -> None:
        """Check what stands beside the jobs, and put it beside what other files say."""
        root = document.root
        rest = Map(root.at)
        for name, node in root.nodes.items():
            if name not in ("jobs", "templates", "defaults") and not name.startswith("x-"):
                rest.put(name, root.keys[name], node)
        model = checked(FileModel, rest, self.trouble)
        if model is not None:
            self.models.append(model)
            self.tests += expected.pairs(model.tests, root.nodes.get("tests"))
        for name in ("jobs", "templates", "defaults"):
            given = root.nodes.get(name)
            if given is not None and given.value is not None and not isinstance(given, Map):
                self.trouble.add("type", f"`{name}` needs a mapping, not {kind_of(given.value)}", node.at,
                                 help=f"write each below `{name}:` under its own name")  # fmt: skip
        for name in _SECTIONS:
            section = root.nodes.get(name)
            if isinstance(section, Map):
                self._join(name, section)

    def _join(self, name: str, node: Map) -> None:
        below = self.sections.setdefault(name, Map(node.at))
        for key, child in node.nodes.items():
            if key in below.nodes and name not in ("vars", "env"):
                first = below.keys[key]
                place = f"{first[0].file}:{first[1] + first[0].first_line}"
                self.trouble.add(
                    "duplicate",
                    f"`{key}` is declared twice under `{name}`",
                    node.keys[key],
                    help=f"it is also at {place}",
                )
            below.put(key, node.keys[key], child)

    def _mapping(self, name: str) -> Mapping[str, Any]:
        section = self.sections.get(name)
        return section.nodes if section is not None else {}

    def _of_models(self, name: str) -> Iterator[tuple[str, Any]]:
        for model in self.models:
            yield from (getattr(model, name) or {}).items()

    def _channels(self) -> dict[str, Channel]:
        return {
            name: Channel(name, tuple(each.urls), each.min_interval, each.quiet)
            for name, each in self._of_models("channels")
        }

    def _check_channels(self, channels: Mapping[str, Channel]) -> None:
        for name, channel in channels.items():
            node = self._mapping("channels")[name]
            if channel.quiet is not None:
                try:
                    Window.of(channel.quiet)
                except TriggerError as error:
                    help = 'write quiet: "22:00-07:00"'
                    self.trouble.add(
                        "bad-value", f"quiet: {error.fact}", find(node, ("quiet",)).at, help=help
                    )
            for number, url in enumerate(channel.urls):
                if fact := self.address(url):
                    help = "the Apprise wiki says how the address of each service is written"
                    at = find(node, ("urls", number) if isinstance(node, Map) else (number,)).at
                    self.trouble.add("bad-address", fact, at, help=help)

    def _secrets(self) -> dict[str, Mapping[str, Any]]:
        return {name: each.model_dump(exclude_none=True) for name, each in self._of_models("secrets")}

    def _executors(self) -> dict[str, Executor]:
        found = {"default": Executor()}
        for name, each in self._of_models("executors"):
            found[name] = Executor(name, "local", each.max_workers, each.python or "processes")
        return found

    def _groups(self) -> dict[str, int]:
        return {name: each.max for name, each in self._of_models("groups")}

    def _environment(self) -> dict[str, str]:
        return dict(self._of_models("env"))

    def _env_files(self) -> tuple[str, ...]:
        return tuple(each for model in self.models for each in model.env_file or ())

    def _calendars(self, files: Files) -> dict[str, Calendar]:
        found: dict[str, Calendar] = {}
        for name, node in self._mapping("calendars").items():
            if not isinstance(node, Map):
                continue
            data = {key: _days(child) for key, child in node.nodes.items()}
            try:
                found[name] = read_calendar(name, data, ics=self._ics(node))
            except TriggerError as error:
                self.trouble.add("calendar", error.fact, find(node, error.path).at, help=error.hint)
        return found

    def _ics(self, node: Map) -> str | None:
        file = node.nodes.get("ics")
        if file is None:
            return None
        try:
            return (self.paths[0].parent / str(file.value)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.trouble.add(
                "file", f"{file.value} cannot be read: {getattr(error, 'strerror', None) or error}", file.at
            )
            return None

    def _maintenance(self, zone: str) -> tuple[Maintenance, ...]:
        found = []
        for model in self.models:
            for each in model.maintenance or ():
                start = _moment(each.start, zone)
                end = (
                    start + each.duration
                    if each.duration is not None
                    else _moment(each.end or each.start, zone)
                )
                found.append(Maintenance(each.name, start, end, tuple(each.tags)))
        return tuple(found)

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def _jobs(self, document: Document) -> Iterator[tuple[str, Map, Map | None]]:
        """Each definition of a file, with the defaults that hold for it."""
        jobs = document.root.nodes.get("jobs")
        own = document.root.nodes.get("defaults")
        defaults: Map | None = None
        for each in [*document.outer, *([own] if isinstance(own, Map) else [])]:
            defaults = each if defaults is None else merge(defaults, each)
        if not isinstance(jobs, Map):
            return
        for id, node in jobs.nodes.items():
            if id.startswith("x-"):
                continue
            at = jobs.keys[id]
            if not _good_id(id):
                help = "lower case letters, digits and _ . -, beginning with a letter or digit"
                self.trouble.add("name", f"{id!r} cannot be the id of a job", at, length=len(id), help=help)
            elif not isinstance(node, Map):
                help = (
                    "write `run: ...` below it"
                    if node.value is None
                    else f"did you mean `run: {node.value}`?"
                )
                self.trouble.add(
                    "type",
                    f"the job {id!r} is {kind_of(node.value)}, not a mapping",
                    at,
                    length=len(id),
                    help=help,
                )
            else:
                yield id, _at(node, at), defaults

    def _templates(self) -> dict[str, Map]:
        return {name: node for name, node in self._mapping("templates").items() if isinstance(node, Map)}

    def _specs(
        self, jobs: Iterable[tuple[str, Map, Map | None]], templates: Mapping[str, Map], known: Known
    ) -> list[tuple[Whole, JobSpec]]:
        shared = self._shared(known)
        found: list[tuple[Whole, JobSpec]] = []
        seen: dict[str, Any] = {}
        fresh: dict[str, tuple[JobSpec, tuple[Problem, ...]]] = {}
        env = dict(known.env)
        for id, node, defaults in jobs:
            if id in seen:
                first = seen[id]
                where = f"{first[0].file}:{first[1] + first[0].first_line}"
                self.trouble.add(
                    "duplicate",
                    f"the job {id!r} is there twice",
                    node.at,
                    length=len(id),
                    help=f"it is also at {where}",
                )
                continue
            seen[id] = node.at
            job = extended(node, templates, self.trouble)
            if defaults is not None:
                job = merge(defaults, job)
            for whole in whole_jobs(id, job, self.sections.get("vars"), env, self.trouble):
                key = _key(shared, whole)
                cached = self.cache.jobs.get(key)
                if cached is None:
                    cached = self._spec(whole, known)
                    if cached is None:
                        continue
                fresh[key] = cached
                self.trouble.problems += cached[1]
                found.append((whole, cached[0]))
        self.cache.jobs = fresh
        return found

    def _spec(self, whole: Whole, known: Known) -> tuple[JobSpec, tuple[Problem, ...]] | None:
        before = len(self.trouble.problems)
        model = checked(JobModel, whole.node, self.trouble, ("jobs", whole.id))
        if model is None:
            return None
        spec = job_spec(whole, model, known, self.trouble)
        names.check(whole, spec, self._mapping("secrets"), self.trouble)
        noted = self.trouble.problems[before:]
        if any(problem.level == "error" for problem in noted):
            return None
        del self.trouble.problems[before:]
        return spec, tuple(noted)

    def _shared(self, known: Known) -> str:
        """What every job depends on beside its own text."""
        parts = [
            sorted(known.channels),
            sorted(known.executors),
            sorted(known.groups),
            repr(known.calendars),
            repr(known.env),
            repr(known.env_files),
            sorted(self._mapping("secrets")),
            known.source,
            known.timezone,
        ]
        return repr(parts)

    def _check_references(self, specs: Sequence[tuple[Whole, JobSpec]]) -> None:
        ids = {spec.id for _, spec in specs}
        follows: dict[str, list[str]] = {}
        for whole, spec in specs:
            wanted = [each.job for each in spec.after]
            follows[spec.id] = wanted
            named = [("after", job) for job in wanted]
            if spec.only_after is not None:
                named.append(("only_after", spec.only_after.job))
            for key, job in named:
                if job not in ids:
                    at = find(whole.node, (key,)).at
                    self.trouble.add(
                        "unknown-job",
                        f"there is no job {job!r}",
                        at,
                        help=did_you_mean(job, ids),
                        key=spec.id,
                    )
        for whole, spec in specs:
            ring = _ring(spec.id, follows)
            if ring:
                at = find(whole.node, ("after",)).at
                self.trouble.add(
                    "cycle",
                    f"jobs start each other for ever: {' -> '.join(ring)}",
                    at,
                    help="take one `after` out",
                )
                return

    def _check_env_files(self, specs: Sequence[tuple[Whole, JobSpec]]) -> None:
        directory = self.paths[0].parent
        seen: set[str] = set()
        for whole, spec in specs:
            for name in spec.env_files:
                if name.endswith("?") or name in seen:
                    continue
                seen.add(name)
                if not (directory / name).is_file():
                    at = find(whole.node, ("env_file",)).at
                    self.trouble.add(
                        "file",
                        f"there is no env file {name}",
                        at,
                        help=f"write `{name}?` where it may be missing",
                    )

    def _watched(self, files: Files, specs: Iterable[JobSpec]) -> list[Path]:
        """Files beside the configuration that change what it means."""
        directory = self.paths[0].parent
        return [
            directory / str(node.nodes["ics"].value)
            for node in self._mapping("calendars").values()
            if isinstance(node, Map) and "ics" in node.nodes
        ]

    def _place_of_jobs(self, files: Files) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for document in files.documents:
            jobs = document.root.nodes.get("jobs")
            if isinstance(jobs, Map):
                found |= dict(jobs.keys)
        return found


# ── small things ────────────────────────────────────────────────────────────────────────────


def _good_id(id: str) -> bool:
    return re.match(ID, id) is not None


def _at(node: Map, at: Any) -> Map:
    """The map with the place of its key: a message about the whole job points at its id."""
    node.at = at
    return node


def _key(shared: str, whole: Whole) -> str:
    text = f"{shared}\0{whole.id}\0{whole.node.value!r}\0{whole.vars!r}\0{whole.matrix!r}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _days(node: Node) -> Any:
    """A calendar's value; a single item where a list is meant."""
    value = node.value
    if isinstance(value, list):
        return [str(item) for item in value]
    return value


def _moment(text: str, zone: str) -> int:
    when = datetime.fromisoformat(text)
    return from_datetime(when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone)))


def _ring(start: str, follows: Mapping[str, Sequence[str]]) -> list[str]:
    """A way from a job back to itself, or nothing."""
    stack: list[tuple[str, list[str]]] = [(start, [start])]
    seen: set[str] = set()
    while stack:
        id, chain = stack.pop()
        for each in follows.get(id, ()):
            if each == start:
                return [*chain, each]
            if each not in seen:
                seen.add(each)
                stack.append((each, [*chain, each]))
    return []


def _ordered(trouble: Trouble, files: Files) -> ConfigError:
    """The error, its problems in the order of the files and lines."""
    order = {str(path): number for number, path in enumerate(files.paths)}
    trouble.problems.sort(key=lambda problem: (order.get(problem.file, 0), problem.line, problem.column))
    return trouble.error()
