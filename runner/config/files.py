"""Reads the files of a configuration: the main ones, and what they include.

A configuration may come from a pull request. So what is included lies below the directory that was named on the
command line, links followed; nothing of another file is ever shown.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.config.diagnose import Trouble
from runner.config.model import Config
from runner.config.node import At, Map, Node, Scalar, Seq, Source, kind_of
from runner.config.text import MAX_BYTES, decode, parse

MAX_FILES = 10_000
SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class Document:
    """One file: its nodes, and the defaults of the files that include it, outermost first."""

    path: Path
    source: Source
    root: Map
    outer: list[Map] = field(default_factory=list)


@dataclass(slots=True)
class Files:
    """All documents in the order they were read, and every file and pattern that was looked at."""

    documents: list[Document] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    data: dict[Path, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Tells whether any file holds something else."""
        return digest_of(self.data)


def digest_of(data: Mapping[Path, bytes]) -> str:
    """A digest of files by name and content."""
    found = hashlib.blake2b(digest_size=32)
    for path, content in data.items():
        found.update(str(path).encode() + b"\0" + content)
    return found.hexdigest()


def home_of(path: Path) -> Path:
    """The directory a named file or directory makes the root of: what it includes lies there."""
    return path if path.is_dir() else path.parent


def members(directory: Path) -> list[Path]:
    """The files of a directory that is named instead of a file, in the order of their names."""
    found = (path for suffix in SUFFIXES for path in directory.glob(f"*{suffix}"))
    return sorted(path for path in found if not path.name.startswith("."))


def read_bytes(path: Path) -> bytes:
    """What a file holds, and no more of it than a file may hold. OSError also where it is no plain file."""
    if stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a socket, not a file")
    # Opening a pipe waits for its writer, and a device may never end.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) and os.path.realpath(path) != os.devnull:
            kind = next((word for test, word in _KINDS if test(mode)), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a file")
        return file.read(MAX_BYTES + 1)


_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read(paths: Sequence[Path], trouble: Trouble, instead: Mapping[Path, bytes] | None = None) -> Files:
    """Read the files and what they include. What cannot be read is a problem, and the others are read all the same.

    `instead` holds what files are taken to hold, whatever they hold.
    """
    reader = _Reader(trouble, instead or {})
    for path in paths:
        reader.root = Path(os.path.realpath(home_of(path)))
        if not path.is_dir():
            reader.file(Path(os.path.normpath(path)), [], ())
            continue
        reader.files.patterns += [f"{glob.escape(str(path))}/*{suffix}" for suffix in SUFFIXES]
        found = members(path)
        place: At = (Source(str(path), ""), 0, 0)
        if not found:
            trouble.add("missing", "the directory holds no *.yaml file", place, help="put a jobs.yaml there")
        for each in found:
            if reader.inside(each, each.name, place):
                reader.file(each, [], ())
    return reader.files


class _Reader:
    def __init__(self, trouble: Trouble, instead: Mapping[Path, bytes]) -> None:
        self.trouble = trouble
        self.instead = instead
        self.root = Path()
        self.files = Files()
        self.seen: set[str] = set()

    def file(self, path: Path, outer: list[Map], chain: tuple[Path, ...]) -> None:
        real = os.path.realpath(path)
        if real in self.seen:
            return
        self.seen.add(real)
        self.files.paths.append(path)
        document = self._document(path)
        if document is None:
            return
        document.outer = list(outer)
        self.files.documents.append(document)
        own = document.root.nodes.get("defaults")
        inner = [*outer, own] if isinstance(own, Map) else outer
        include = document.root.nodes.get("include")
        for node in include.nodes if isinstance(include, Seq) else [include] if include is not None else []:
            self._include(node, path, inner, (*chain, path))

    def _document(self, path: Path) -> Document | None:
        place: At = (Source(str(path), ""), 0, 0)
        try:
            data = self.instead[path] if path in self.instead else read_bytes(path)
        except OSError as error:
            help = (
                "write it to a file first: it is read more than once" if error.errno == errno.EINVAL else ""
            )
            self.trouble.add("file", f"the file cannot be read: {error.strerror}", place, help=help)
            return None
        self.files.data[path] = data
        try:
            text = decode(data, str(path))
            source = Source(str(path), text)
            root = parse(text, source)
        except Trouble as found:
            self.trouble.problems += found.problems
            return None
        if root is None:
            self.trouble.add("empty", "the file is empty", place, help="write `jobs:` and a job below it")
            return None
        if not isinstance(root, Map):
            fact = f"the file holds {kind_of(root.value)}, not a mapping"
            self.trouble.add("type", fact, root.at, help="it begins with `jobs:`")
            return None
        return Document(path, source, root)

    def _include(self, node: Node, path: Path, outer: list[Map], chain: tuple[Path, ...]) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return  # said where the shape of the file is checked
        if "\0" in node.value or "${{" in node.value:
            self.trouble.add("value", f"{node.value!r} is not the path of a file", node.at,
                             help="write it out: nothing is known yet when files are included")  # fmt: skip
            return
        pattern = os.path.normpath(path.parent / node.value)
        magic = glob.has_magic(node.value)
        if not Path(os.path.realpath(_fixed(pattern))).is_relative_to(self.root):
            # Said before anything is looked for: nobody learns what lies elsewhere.
            self._outside(node.value, node.at)
            return
        self.files.patterns.append(pattern)
        matched = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
        if magic:
            matched = [found for found in matched if found.suffix in SUFFIXES and found.is_file()]
        elif not matched:
            self.trouble.add("file", f"there is no file {node.value}", node.at, help=f"looked for {pattern}")
        for found in matched:
            self._one(found, node, outer, chain, magic=magic)

    def _one(
        self, found: Path, node: Scalar, outer: list[Map], chain: tuple[Path, ...], *, magic: bool
    ) -> None:
        if not self.inside(found, node.value, node.at):
            return
        reals = [os.path.realpath(each) for each in chain]
        if (real := os.path.realpath(found)) in reals:
            if magic and real == reals[-1]:
                return  # `*.yaml` beside the file that says it: it is read already
            ring = " -> ".join(each.name for each in (*chain[reals.index(real) :], found))
            self.trouble.add("cycle", f"files include each other: {ring}", node.at, help="take one out")
        elif found.is_dir():
            help = f"to include all of it, write {node.value.rstrip('/')}/*.yaml"
            self.trouble.add("file", f"{node.value} is a directory", node.at, help=help)
        elif len(self.files.paths) >= MAX_FILES:
            self.trouble.add("limit", f"more than {MAX_FILES:,} files", node.at, help="include fewer")
        else:
            self.file(found, outer, chain)

    def inside(self, path: Path, name: str, at: At) -> bool:
        """Whether a file lies below the root, links followed; else a problem."""
        if Path(os.path.realpath(path)).is_relative_to(self.root):
            return True
        self._outside(name, at)
        return False

    def _outside(self, name: str, at: At) -> None:
        fact = f"{name} lies outside the directory of the main file"
        self.trouble.add("file", fact, at, help=f"included files lie in {self.root} or below it")


def _fixed(pattern: str) -> str:
    """The part of a path before its first wildcard."""
    parts = pattern.split("/")
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


def matching(patterns: Sequence[str]) -> list[Path]:
    """The files that patterns find now: a new one beside the others is a change as well."""
    found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}
    return [Path(path) for path in sorted(found)]


def looked_at(config: Config) -> tuple[Path, ...]:
    """What to watch: every file that was read or may come to be, and the directories those would lie in."""
    places = (Path(_fixed(pattern)) for pattern in config.patterns if glob.has_magic(pattern))
    return tuple(dict.fromkeys((*config.files, *matching(config.patterns), *places)))
