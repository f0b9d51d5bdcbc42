"""What a load leaves for the next one: each job's text and what it became; and how an edit of some is read.

Loading a file as a whole is the law; this gives the same answer, or none. It gives none where anything but jobs
changed, where anything is wrong, and where a file cannot be cut at its jobs; then everything is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from runner.config import expected, references
from runner.config.diagnose import Trouble, unique
from runner.config.document import TestModel
from runner.config.files import digest_of, matching, read_bytes
from runner.config.jobs import Shared, definitions, specs_of
from runner.config.lint import of_all
from runner.config.model import Config
from runner.config.node import At, Map, Source
from runner.config.pieces import Pieces, pieces_of
from runner.config.text import decode, parse
from runner.errors import Problem
from runner.spec import JobSpec


class Made(NamedTuple):
    """What one definition became; the lines of its warnings are counted from its own first one."""

    specs: tuple[JobSpec, ...]
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class KeptFile:
    """A file as it was when it was good. `pieces` None: it cannot be cut."""

    path: Path
    text: str
    pieces: Pieces | None
    made: list[Made]
    defaults: Map | None

    def warnings(self) -> Iterator[Problem]:
        for number, made in enumerate(self.made):
            if made.warnings and self.pieces is not None:
                line = self.pieces.line(number)
                yield from (replace(each, line=each.line + line) for each in made.warnings)


@dataclass(slots=True)
class Kept:
    """The last good load."""

    config: Config
    named: tuple[Path, ...]
    home: Path
    files: list[KeptFile]
    shared: Shared
    patterns: tuple[str, ...]
    matched: tuple[Path, ...]
    beside: dict[Path, bytes]
    """Other files that change what the configuration means, and what they held."""
    section_warnings: tuple[Problem, ...]
    tests: tuple[tuple[TestModel, Map], ...]


class Cache:
    """Given to one load after the other of the same files, it makes the next one cheap."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: Kept | None = None

    def good(self, paths: Sequence[Path]) -> dict[Path, bytes]:
        """The files as they last were when all was well."""
        if self.kept is None or self.kept.named != tuple(paths):
            return {}
        return {each.path: each.text.encode("utf-8", "surrogatepass") for each in self.kept.files}


def kept_file(
    path: Path, text: str, defaults: Map | None, ids: Sequence[str], made: Iterable[Made]
) -> KeptFile:
    """A file that was just read as a whole."""
    pieces = pieces_of(text, ids)
    if pieces is None:
        return KeptFile(path, text, None, list(made), defaults)
    relative = []
    for number, each in enumerate(made):
        if each.warnings:
            line = pieces.line(number)
            each = Made(each.specs, tuple(replace(one, line=one.line - line) for one in each.warnings))
        relative.append(each)
    return KeptFile(path, text, pieces, relative, defaults)


def reread(kept: Kept, named: Sequence[Path]) -> Config | None:
    """The configuration as it is now, where no more than jobs changed and all is well; else None."""
    if tuple(named) != kept.named or tuple(matching(kept.patterns)) != kept.matched:
        return None
    data: dict[Path, bytes] = {}
    try:
        for file in kept.files:
            data[file.path] = read_bytes(file.path)
        if any(read_bytes(path) != held for path, held in kept.beside.items()):
            return None
    except OSError:
        return None
    digest = digest_of(data)
    if digest == kept.config.digest:
        return kept.config
    try:
        files = [_file(file, decode(data[file.path], str(file.path)), kept.shared) for file in kept.files]
    except Trouble:
        return None
    whole = [file for file in files if file is not None]
    return _config(kept, whole, digest) if len(whole) == len(files) else None


def _file(file: KeptFile, text: str, shared: Shared) -> KeptFile | None:
    """The file with this text. Changes that lie far apart are made one after the other: what is between is not read."""
    for _ in range(_MOST_STEPS):
        between = file.pieces.first_change(text) if file.pieces is not None else None
        stepped = _edited(file, between, shared) if between is not None else None
        if stepped is None:
            break
        file = stepped
    return _edited(file, text, shared)


_MOST_STEPS = 4


def _edited(file: KeptFile, text: str, shared: Shared) -> KeptFile | None:
    if text == file.text:
        return file
    edit = file.pieces.edited(text) if file.pieces is not None else None
    if edit is None or file.pieces is None:
        return None
    pieces, head, tail = edit
    old, was = file.made, file.pieces
    known = {was.piece(number): old[number] for number in range(head, len(old) - tail)}
    made = old[:head]
    for number in range(head, len(pieces.starts) - tail):
        each = known.get(pieces.piece(number)) or _piece(file, pieces, number, shared)
        if each is None:
            return None
        made.append(each)
    return KeptFile(file.path, text, pieces, made + old[len(old) - tail :], file.defaults)


def _piece(file: KeptFile, pieces: Pieces, number: int, shared: Shared) -> Made | None:
    trouble = Trouble()
    # The lines of its problems are counted from its own first one.
    source = Source(str(file.path), pieces.piece(number))
    try:
        root = parse(source.text, source)
    except Trouble:
        return None
    if not isinstance(root, Map) or len(root.nodes) != 1:
        return None
    specs = [
        spec
        for id, node in definitions(root, trouble)
        for _, spec in specs_of(id, node, file.defaults, shared, trouble)
    ]
    if any(problem.level == "error" for problem in trouble.problems):
        return None
    return Made(tuple(specs), tuple(trouble.problems))


def _config(kept: Kept, files: list[KeptFile], digest: str) -> Config | None:
    shifted = any(
        new.text.count("\n") != old.text.count("\n") for new, old in zip(files, kept.files, strict=True)
    )
    if shifted and (kept.section_warnings or kept.tests):
        return None
    specs = tuple(chain.from_iterable(made.specs for file in files for made in file.made))
    if not specs or len({spec.id for spec in specs}) != len(specs) or _notes(files):
        return None
    trouble = Trouble()
    nowhere: At = (Source("", ""), 0, 0)
    references.check(specs, kept.home, kept.shared.known.env_files, lambda spec, key: nowhere, trouble)
    tests = kept.config.tests
    if kept.tests:
        named = {spec.id: spec for spec in specs}
        written = [id.partition("[")[0] for id in named]
        tests = expected.read(kept.tests, named, written, kept.config.channels, trouble)
    if trouble:
        return None
    places = Places(files)
    warnings = [*kept.section_warnings, *chain.from_iterable(file.warnings() for file in files)]
    warnings += of_all(specs, places, kept.config.timezone)
    config = replace(
        kept.config, jobs=specs, tests=tests, warnings=unique(warnings), digest=digest, broken=()
    )
    kept.config, kept.files = config, files
    return config


def _notes(files: list[KeptFile]) -> bool:
    """Whether there are definitions that make no job (`x-...`): whether one stands twice is not known here."""
    return any(not made.specs for file in files for made in file.made)


class Places:
    """Where each job stands, looked for only when somebody asks."""

    def __init__(self, files: Sequence[KeptFile]) -> None:
        self._files = files

    def get(self, id: str) -> At | None:
        for file in self._files:
            for number, made in enumerate(file.made):
                if made.specs and made.specs[0].id.partition("[")[0] == id and file.pieces is not None:
                    line = file.pieces.line(number)
                    source = Source(str(file.path), file.pieces.piece(number), line + 1)
                    return (source, 0, file.pieces.indent)
        return None
