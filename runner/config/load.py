"""A configuration: every file read, merged, checked and lowered, or every problem of all of them in one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runner.collector import held
from runner.config import expected, lint, names, references
from runner.config.diagnose import Trouble, unique
from runner.config.files import Document, Files, home_of, matching, read, read_bytes
from runner.config.jobs import Shared, defaults_of, definitions, specs_of
from runner.config.kept import Cache, Kept, KeptFile, Made, kept_file, reread
from runner.config.merge import Whole
from runner.config.model import Config
from runner.config.node import At, Map, Source, find
from runner.config.sections import Sections
from runner.config.spot import Known
from runner.config.text import decode
from runner.errors import ConfigError, Problem
from runner.machine_zone import machine_zone
from runner.moment import Moment
from runner.spec import JobSpec


def load(
    path: Path | Sequence[Path],
    *,
    cache: Cache | None = None,
    address: Callable[[str], str] = lambda url: "",
    now: Moment | None = None,
) -> Config:
    """The configuration of a file, a directory, or several of them. Nothing is executed, and nothing is imported.

    `address` says what is wrong with a channel's address, as far as can be told without sending. A `cache` that
    is given to each load of the same files makes the next one cheap: only the jobs whose text changed are read.
    `now`: warn of schedules that may surprise from then on, such as by a clock change; else nobody looks at them.
    Where a file says `isolate_files: true`, it also holds the last good form of files that are broken now.
    Raises ConfigError with every problem of every file.
    """
    paths = [each.absolute() for each in ([path] if isinstance(path, Path) else path)]
    with held():
        if cache is None:
            return _Load(paths, None, address, now=now).config()
        if cache.kept is not None:
            _check_whole(cache.kept)
        if cache.kept is not None and (known := reread(cache.kept, paths)) is not None:
            return known
        try:
            return _Load(paths, cache, address, now=now).config()
        except ConfigError as error:
            isolated = _isolated(paths, cache, address, error)
            if isolated is None:
                raise
            return isolated


def merged(paths: Sequence[Path], job: str) -> tuple[Whole, JobSpec, list[Document]]:
    """A job as it is after merging, with the nodes it was made of, and the documents these stand in.

    Raises ConfigError where the files do not load, KeyError where there is no such job.
    """
    read = _Load([each.absolute() for each in paths], None, lambda url: "")
    read.wanted = job
    config = read.config()
    if read.whole is None:
        raise KeyError(job)
    return read.whole, next(spec for spec in config.jobs if spec.id == job), read.documents


def _check_whole(kept: Kept) -> None:
    """Raise ConfigError where a file is what it was, cut off in the middle of a line: somebody is still writing it."""
    for file in kept.files:
        try:
            text = decode(read_bytes(file.path), str(file.path))
        except (OSError, Trouble):
            continue
        # Who never ends the last line may be the one who shortens it.
        cut = text and text[-1] != "\n" and file.text.endswith("\n")
        if cut and len(text) < len(file.text) and file.text.startswith(text):
            source, trouble = Source(str(file.path), text), Trouble()
            line = text.count("\n")
            column = max(0, len(text) - text.rfind("\n") - 2)
            fact = "the file ends in the middle of a line it had before: it is being written, or was cut off"
            trouble.add("half-written", fact, (source, line, column), length=1, help="end the last line")
            raise trouble.error()


def _isolated(
    paths: Sequence[Path], cache: Cache, address: Callable[[str], str], error: ConfigError
) -> Config | None:
    """The good files as they are, the broken ones as they last were; None where that is not wanted or possible."""
    good = cache.good(paths)
    if cache.kept is None or not cache.kept.config.isolate_files:
        return None
    bad = {Path(problem.file) for problem in error.problems}
    if not bad <= good.keys():
        return None
    try:
        config = _Load(paths, None, address, {path: good[path] for path in bad}).config()
    except ConfigError:
        return None
    return replace(config, broken=error.problems)


class _Load:
    def __init__(
        self,
        paths: Sequence[Path],
        cache: Cache | None,
        address: Callable[[str], str],
        instead: Mapping[Path, bytes] | None = None,
        now: Moment | None = None,
    ) -> None:
        self.paths = paths
        self.home = home_of(paths[0])
        self.address = address
        self.cache = cache
        self.instead = instead
        self.trouble = Trouble()
        self.places: dict[str, At] = {}
        self.broken: list[JobSpec] = []
        """As far as they are sound."""
        self.nodes: dict[str, Map] = {}
        """Of jobs that name others or files."""
        self.now = now
        self.schedules: dict[str, At] = {}
        """Where they stand, if somebody looks at them."""
        self.wanted: str | None = None
        self.whole: Whole | None = None
        self.documents: list[Document] = []

    def config(self) -> Config:
        trouble = self.trouble
        files = read(self.paths, trouble, self.instead)
        self.documents = files.documents
        sections = Sections(files.documents, self.home, trouble)
        zone, unusable = machine_zone()
        if unusable:
            fact = f"the environment variable TZ names no time zone: {unusable}; {zone} is used"
            help = "set TZ=Europe/Berlin, or write `timezone:` in `defaults`"
            trouble.add("timezone", fact, (Source(str(self.paths[0]), ""), 0, 0), help=help, level="warning")
        known = self._known(sections, zone)
        channels = sections.channels(self.address)
        secrets, executors = sections.secrets(), sections.executors()
        maintenance = sections.maintenance(zone, known.calendars)
        before = tuple(problem for problem in trouble.problems if problem.level == "warning")
        _check_expressions(sections, trouble)
        templates = {
            name: node for name, node in sections.mapping("templates").items() if isinstance(node, Map)
        }
        shared = Shared(
            templates, sections.nodes.get("vars"), dict(known.env), dict(sections.mapping("secrets")), known
        )
        kept = [self._file(document, shared) for document in files.documents]
        specs = tuple(spec for file in kept for made in file.made for spec in made.specs)
        named = {spec.id: spec for spec in specs}
        tests = expected.read(sections.tests, named, list(self.places), channels, trouble)
        unread = self.places.keys() - {id.partition("[")[0] for id in named}
        references.check((*specs, *self.broken), self.home, known.env_files, self._where, trouble, unread)
        self._check_there_are_jobs(files)
        if any(problem.level == "error" for problem in trouble.problems):
            raise _ordered(trouble, files)
        warnings = [problem for problem in trouble.problems if problem.level == "warning"]
        warnings += lint.of_all(specs, self.places, zone)
        if self.now is not None:
            warnings += lint.of_schedules(specs, self.schedules, self.now)
        config = Config(
            path=self.paths[0],
            jobs=specs,
            channels=channels,
            secrets=secrets,
            executors=executors,
            groups=known.groups,
            maintenance=maintenance,
            calendars=known.calendars,
            heartbeat=sections.heartbeat(),
            storage=sections.storage(),
            tests=tests,
            warnings=unique(warnings),
            files=(*files.paths, *sections.ics_files()),
            patterns=tuple(files.patterns),
            digest=files.digest,
            timezone=zone,
            isolate_files=any(model.isolate_files for model in sections.models),
        )
        if self.cache is not None:
            self.cache.kept = self._keep(config, files, sections, kept, shared, before)
        return config

    def _known(self, sections: Sections, zone: str) -> Known:
        return Known(
            channels=sections.mapping("channels"),
            executors={"default": None, **sections.mapping("executors")},
            groups=sections.groups(),
            calendars=sections.calendars(),
            env=sections.environment(),
            env_files=sections.env_files(),
            source=str(self.paths[0]),
            timezone=zone,
        )

    def _file(self, document: Document, shared: Shared) -> KeptFile:
        """The jobs of a file, and what is to be remembered of each."""
        trouble = self.trouble
        jobs = document.root.nodes.get("jobs")
        defaults = defaults_of(document)
        made: list[Made] = []
        for id, node in definitions(jobs, trouble):
            if id in self.places:
                first = self.places[id]
                help = f"it is also at {first[0].file}:{first[1] + first[0].first_line}"
                trouble.add("duplicate", f"the job {id!r} is there twice", node.at, length=len(id), help=help)
                continue
            self.places[id] = node.at
            before = len(trouble.problems)
            broken: list[tuple[Whole, JobSpec]] = []
            found = specs_of(id, node, defaults, shared, trouble, broken)
            self.broken += [spec for _, spec in broken]
            for whole, spec in (*found, *broken):
                if spec.id == self.wanted:
                    self.whole = whole
                if spec.after or spec.only_after is not None or spec.env_files:
                    self.nodes[spec.id] = whole.node
                if self.now is not None and spec.trigger is not None:
                    self.schedules[spec.id] = find(whole.node, ("schedule",)).at
            made.append(Made(tuple(spec for _, spec in found), tuple(trouble.problems[before:])))
        ids = tuple(jobs.nodes) if isinstance(jobs, Map) else ()
        if self.cache is None:
            return KeptFile(document.path, "", None, made, None)
        return kept_file(document.path, document.source.text, defaults, ids, made)

    def _where(self, spec: JobSpec, key: str) -> At:
        return find(self.nodes[spec.id], (key,)).at

    def _keep(
        self,
        config: Config,
        files: Files,
        sections: Sections,
        kept: list[KeptFile],
        shared: Shared,
        warnings: tuple[Problem, ...],
    ) -> Kept:
        return Kept(
            config,
            tuple(self.paths),
            self.home,
            kept,
            shared,
            tuple(files.patterns),
            tuple(matching(files.patterns)),
            {path: read_bytes(path) for path in sections.ics_files()},
            warnings,
            tuple(sections.tests),
        )

    def _check_there_are_jobs(self, files: Files) -> None:
        if self.places or not files.documents or self.trouble:
            return
        first = files.documents[0]
        place = first.root.keys.get("jobs", first.root.at)
        help = "write `jobs:`, and below it `hello:` with `run: echo hello`"
        self.trouble.add("empty", "there are no jobs", place, help=help)


def _check_expressions(sections: Sections, trouble: Trouble) -> None:
    """Those beside the jobs that nobody reads before something happens."""
    secrets = sections.mapping("secrets")
    for name, roots in (("channels", frozenset({"secrets"})), ("env", names.OF_ENV)):
        if (node := sections.nodes.get(name)) is not None:
            names.check_shared(node, roots, secrets, trouble)


def _ordered(trouble: Trouble, files: Files) -> ConfigError:
    """The error, its problems in the order of the files and lines."""
    order = {str(path): number for number, path in enumerate(files.paths)}
    trouble.problems.sort(key=lambda problem: (order.get(problem.file, 0), problem.line, problem.column))
    return trouble.error()
