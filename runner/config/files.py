"""Reads the files of a configuration: the main one, and what it includes."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.config.diagnose import Trouble
from runner.config.node import At, Map, Node, Scalar, Seq, Source, kind_of
from runner.config.text import decode, parse


@dataclass(slots=True)
class Document:
    """One file: its nodes, and the defaults of the files that include it, outermost first."""

    path: Path
    source: Source
    root: Map
    outer: list[Map] = field(default_factory=list)


@dataclass(slots=True)
class Files:
    """All documents in the order they were read, and every file that was looked at."""

    documents: list[Document] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    digest: str = ""


def read(paths: Sequence[Path], trouble: Trouble) -> Files:
    """Read the files and what they include. What cannot be read is a problem, and the others are read all the same."""
    reader = _Reader(trouble, paths[0].parent.resolve() if paths else Path())
    for path in paths:
        if path.is_dir():
            found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
            if not found:
                place = (Source(str(path), ""), 0, 0)
                trouble.add(
                    "missing", "the directory holds no *.yaml file", place, help="put a jobs.yaml there"
                )
            for each in found:
                reader.file(each, [], ())
        else:
            reader.file(path, [], ())
    reader.files.digest = reader.hash.hexdigest()
    return reader.files


class _Reader:
    def __init__(self, trouble: Trouble, root: Path) -> None:
        self.trouble = trouble
        self.root = root
        self.files = Files()
        self.hash = hashlib.sha256()

    def file(self, path: Path, outer: list[Map], chain: tuple[Path, ...]) -> None:
        if path in self.files.paths:
            return
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
            data = path.read_bytes()
        except OSError as error:
            self.trouble.add("file", f"the file cannot be read: {error.strerror}", place)
            return None
        self.hash.update(str(path).encode() + b"\0" + data)
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
            self.trouble.add("type", f"a path is needed, not {kind_of(node.value)}", node.at)
            return
        pattern = str(path.parent / node.value)
        matched = sorted(glob.glob(pattern, recursive=True))
        if not matched and not glob.has_magic(pattern):
            self.trouble.add("file", f"there is no file {node.value}", node.at, help=f"looked for {pattern}")
        for name in matched:
            found = Path(name)
            if found in chain:
                ring = " -> ".join(each.name for each in (*chain[chain.index(found) :], found))
                self.trouble.add("cycle", f"files include each other: {ring}", node.at, help="take one out")
            elif not found.resolve().is_relative_to(self.root):
                fact = f"{node.value} lies outside the directory of the main file"
                self.trouble.add("file", fact, node.at, help=f"included files lie in {self.root} or below it")
            else:
                self.file(found, outer, chain)
