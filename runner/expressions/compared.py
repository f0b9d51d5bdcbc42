"""What an expression compares with a number or a truth value, and what it takes for one; read from its tree."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from jinja2 import nodes

from runner.expressions.render import Path, parsed, path_of, walked

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@lru_cache(maxsize=4096)
def compared(text: str) -> tuple[tuple[Path, str, int | float | bool], ...]:
    """Each name that a readable expression compares with a number or true and false: (name, sign, value).

    `7 < rows` is told as `rows > 7`.
    """
    return tuple(_found(parsed(text)))


def _found(tree: nodes.Expr) -> Iterator[tuple[Path, str, int | float | bool]]:
    for node in walked(tree):
        if isinstance(node, nodes.Compare):
            left = node.expr
            for operand in node.ops:
                sign, right = _SIGNS.get(operand.op, ""), operand.expr
                for side, seen, other in ((left, sign, right), (right, _MIRRORED.get(sign, sign), left)):
                    path = path_of(side)
                    value = other.value if isinstance(other, nodes.Const) else None
                    if path and seen and isinstance(value, int | float):
                        yield path, seen, value
                left = right


@lru_cache(maxsize=4096)
def truths(text: str) -> tuple[Path, ...]:
    """Each name that a readable condition takes for true or false as it stands, or with `not`, `and` and `or`."""
    return tuple(_truths(parsed(text)))


def _truths(node: nodes.Node) -> Iterator[Path]:
    if isinstance(node, nodes.And | nodes.Or):
        yield from _truths(node.left)
        yield from _truths(node.right)
    elif isinstance(node, nodes.Not):
        yield from _truths(node.node)
    elif path := path_of(node):
        yield path
