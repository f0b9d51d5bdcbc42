"""YAML text to nodes that know their place, with YAML 1.2 meaning and bounds on what a text may cost.

PyYAML's C parser turns text into events quickly and without recursion; its C *composer* recurses, and dies of a
hundred thousand brackets. So nodes are made here, from events: a stack instead of recursion, a place on every
node, the 1.2 core schema instead of 1.1's surprises (`on`, `NO`, `12:30` stay text), limits counted over aliases.
The words of the C parser are poor, so a text it refuses is read again by the pure Python one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

import yaml

from runner.config.diagnose import Trouble
from runner.config.node import MAX_DEPTH, At, Map, Node, Number, Real, Scalar, Seq, Source, is_dynamic

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 2_000_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMERIC_START = frozenset("0123456789+-.")
_LONGEST_NUMBER = 310
_INT = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)
_BASED = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_TAGS = {"str", "int", "float", "bool", "null", "map", "seq"}


def plain(text: str) -> Any:
    """What an unquoted scalar means by YAML 1.2's core schema.

    >>> plain("12"), plain("1e3"), plain("yes"), plain("2026-12-24"), plain("~")
    (12, 1000.0, 'yes', '2026-12-24', None)
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMERIC_START or len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        number = int(text)
        return number if str(number) == text else Number.of(number, text)
    if _BASED.fullmatch(text):
        return Number.of(int(text, 0), text)
    if _FLOAT.fullmatch(text):
        return Real.of(float(text), text)
    return text


def decode(data: bytes, file: str) -> str:
    """The text of a file's bytes: UTF-8, with or without a byte order mark, any line ends."""
    source = Source(file, "")
    if len(data) > MAX_BYTES:
        fact = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        raise Trouble.one("limit", fact, (source, 0, 0), help="split it with `include`")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Trouble.one(
            "syntax", "the file is not UTF-8 but UTF-16", (source, 0, 0), help="save it as UTF-8"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        at = (
            Source(file, data.decode("utf-8", "replace")),
            before.count("\n"),
            len(before.rpartition("\n")[2]),
        )
        fact = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise Trouble.one("syntax", fact, at, help="save the file as UTF-8 text") from None
    return text.replace("\r\n", "\n") if "\r" in text else text


def parse(text: str, source: Source) -> Node | None:
    """The one document of a text as nodes; None where it is empty. Raises Trouble with every problem found."""
    builder = _Builder(source)
    try:
        return builder.build(iter(_LOADER(text).get_event, None))
    except yaml.YAMLError as error:
        raise Trouble([_syntax(text, source, error)]) from None


Key = tuple[str, At, bool]
"""A key's name and place, and whether it stands there without quotes."""


@dataclass(slots=True)
class _Anchor:
    node: Node
    before: int
    size: int | None = None


class _Builder:
    """One pass over the events, with a stack of open containers."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.trouble = Trouble()
        self.count = 0
        self.anchors: dict[str, _Anchor] = {}
        self.shared = False

    def build(self, events: Iterator[Any]) -> Node | None:
        source = self.source
        scalar_event, alias_event = yaml.ScalarEvent, yaml.AliasEvent
        map_start, seq_start = yaml.MappingStartEvent, yaml.SequenceStartEvent
        map_end, seq_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        root: Node | None = None
        stack: list[tuple[Map | Seq | None, Key | None, str | None]] = []
        top: Map | Seq | None = None
        key: Key | None = None
        anchor: str | None = None
        for event in events:
            kind = type(event)
            node: Node
            if kind is scalar_event:
                mark = event.start_mark
                text = event.value
                if type(top) is Map and key is None:
                    # Most scalars are keys, and those are nothing but names.
                    key = (text, (source, mark.line, mark.column), not event.style)
                    self.count += 1
                    if event.tag is not None or event.anchor is not None:
                        self._mark_scalar(Scalar(text, key[1], text), event)
                    continue
                value = plain(text) if event.implicit[0] and not event.style else text
                node = Scalar(value, (source, mark.line, mark.column), text)
                if "${{" in text and top is not None:
                    top.dynamic = True
                if event.tag is not None or event.anchor is not None:
                    self._mark_scalar(node, event)
                self.count += 1
            elif kind is map_start or kind is seq_start:
                mark = event.start_mark
                at = (source, mark.line, mark.column)
                node = Map(at) if kind is map_start else Seq(at)
                if event.tag is not None:
                    self._check_tag(event.tag, at)
                self.count += 1
                if len(stack) >= MAX_DEPTH:
                    help = "a bracket may be missing, or too much was generated"
                    raise self._stop("limit", f"nested deeper than {MAX_DEPTH} levels", at, help)
                stack.append((top, key, anchor))
                top, key, anchor = node, None, event.anchor
                if anchor is not None:
                    self.anchors[anchor] = _Anchor(node, self.count)
                continue
            elif kind is map_end or kind is seq_end:
                assert top is not None
                if anchor is not None:
                    self._close(anchor, top)
                node = top
                top, key, anchor = stack.pop()
                if node.dynamic and top is not None:
                    top.dynamic = True
            elif kind is alias_event:
                node = self._alias(event)
                if top is not None and is_dynamic(node):
                    top.dynamic = True
            elif kind is yaml.DocumentStartEvent and root is not None:
                at = (source, event.start_mark.line, event.start_mark.column)
                raise self._stop(
                    "syntax", "a second document begins here", at, "keep one per file; use `include`"
                )
            else:
                continue
            if self.count > MAX_NODES:
                help = "an alias stands for all it names: write less, or split the file"
                raise self._stop("limit", f"more than {MAX_NODES:,} values, aliases counted", node.at, help)
            if top is None:
                root = node
            elif type(top) is Map:
                if key is None:
                    key = self._key(node)
                else:
                    name = key[0]
                    if name in top.keys or name == "<<":
                        self._put(top, key, node)
                    else:
                        name = intern(name)
                        top.nodes[name] = node
                        top.keys[name] = key[1]
                        top.value[name] = node.value
                    key = None
            else:
                assert type(top) is Seq
                top.nodes.append(node)
                top.value.append(node.value)
        if self.trouble:
            raise self.trouble
        return root

    def _key(self, node: Node) -> Key:
        """A key that is no scalar, or an alias of one."""
        if not isinstance(node, Scalar):
            what = "a mapping" if isinstance(node, Map) else "a list"
            help = 'text that begins with { or [ needs quotes; an expression is written "${{ ... }}"'
            self.trouble.add("syntax", f"a key must be a word, not {what}", node.at, help=help)
            return ("", node.at, False)
        return (node.text, node.at, False)

    def _put(self, top: Map, key: Key, node: Node) -> None:
        name, at, bare = key
        if name == "<<" and bare:
            self._merge(top, node)
            return
        if name in top.keys and name not in top.merged:
            first = top.keys[name]
            help = f"it is also on line {first[1] + first[0].first_line}; keep one of the two"
            self.trouble.add("duplicate", f"`{name}` stands twice in this mapping", at, help=help)
            if self.trouble.full:
                raise self.trouble
            return
        top.merged.discard(name)
        top.put(name, at, node)

    def _merge(self, top: Map, node: Node) -> None:
        """YAML's merge key: what is written out wins, then the earlier of several."""
        parts = node.nodes if isinstance(node, Seq) else [node]
        for part in parts:
            if not isinstance(part, Map):
                self.trouble.add("syntax", "`<<` merges mappings only", node.at, help="write `<<: *anchor`")
                continue
            self.count += len(part.nodes)
            top.dynamic |= part.dynamic
            for name, child in part.nodes.items():
                if name not in top.nodes:
                    top.put(name, part.keys[name], child)
                    top.merged.add(name)

    def _alias(self, event: Any) -> Node:
        at = (self.source, event.start_mark.line, event.start_mark.column)
        known = self.anchors.get(event.anchor)
        if known is None:
            names = ", ".join(f"&{name}" for name in list(self.anchors)[:10])
            help = (
                f"the anchors so far: {names}"
                if names
                else "no anchor stands before it; quote text that begins with *"
            )
            raise self._stop("syntax", f"there is no anchor &{event.anchor}", at, help)
        if known.size is None:
            raise self._stop(
                "syntax", f"*{event.anchor} stands inside what it names", at, "an anchor cannot hold itself"
            )
        self.count += known.size
        return known.node

    def _close(self, anchor: str, node: Node) -> None:
        known = self.anchors[anchor]
        if known.node is node:
            known.size = self.count - known.before + 1

    def _mark_scalar(self, node: Scalar, event: Any) -> None:
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(node, self.count, 1)
        if event.tag is not None:
            name = self._check_tag(event.tag, node.at)
            if name == "str" or event.tag == "!":
                node.value = node.text
            elif name in ("int", "float", "bool", "null"):
                node.value = plain(node.text)

    def _check_tag(self, tag: str, at: At) -> str:
        name = tag.removeprefix("tag:yaml.org,2002:")
        if tag != "!" and name not in _TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.trouble.add(
                "syntax", f"the tag {shown} means nothing here", at, help="write the value without a tag"
            )
        return name

    def _stop(self, kind: str, fact: str, at: At, help: str = "") -> Trouble:
        self.trouble.add(kind, fact, at, help=help)
        return self.trouble


def _syntax(text: str, source: Source, error: yaml.YAMLError) -> Any:
    """The better words of the pure Python parser, at the place where the trouble begins."""
    from runner.config.syntax import explain

    return explain(text, source, error)


def as_mapping(node: Node) -> Mapping[str, Node]:
    """The children of a mapping by key."""
    assert isinstance(node, Map)
    return node.nodes
