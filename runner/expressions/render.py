"""Texts with `${{ }}`: rendered, evaluated, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser

from runner.errors import ExpressionError, RunnerError
from runner.expressions.bounds import MOST_TEXT, Meter
from runner.expressions.filters import as_text
from runner.expressions.sandbox import FUNCTIONS, METER, Sandbox, guard
from runner.expressions.scan import Part, has_expression, parts

Path = tuple[str | int, ...]

_GRAMMAR = "expressions are Jinja2's, as in ${{ vars.region }} or ${{ run.scheduled_at | date }}"
MOST_SOURCE = 10_000
"""Characters of one expression."""
MOST_MESSAGE = 64 * 1024
"""Characters of a message template, and of what it makes."""

_SANDBOX = Sandbox()
_TROUBLE = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, TemplateError)
_TOO_DEEP = (RecursionError, MemoryError, SyntaxError)


def render(text: str, context: Mapping[str, Any]) -> Any:
    """The text with the values of its expressions; one that is nothing but an expression keeps the value's type.

    Raises ExpressionError, with the offset of the expression that has no value.
    """
    if not has_expression(text):
        return text
    found = list(parts(text))
    if len(found) == 1:
        return _value(found[0], context)
    pieces = [as_text(_value(part, context)) if part.expression else part.text for part in found]
    length = sum(map(len, pieces))
    if length > MOST_TEXT:
        raise ExpressionError(
            f"a text of {length} characters is longer than the {MOST_TEXT} that are allowed",
            hint="hand large data over in a file: ${{ run.dir }} is private to the run",
        )
    return "".join(pieces)


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of one expression, written with or without `${{ }}`."""
    return _value(_single(text), context)


def check(text: str, *, bare: bool = False) -> None:
    """Read every expression of a text (`bare`: the text is one), without any values.

    Raises ExpressionError, with the offset of the first bad one.
    """
    for part in _expressions(text, bare):
        _read(part)


def names(text: str, *, bare: bool = False) -> list[Path]:
    """What the expressions of a text read: `steps.load.outputs.rows` is ("steps", "load", "outputs", "rows").

    Functions are not among them. `bare`: the text is one expression, with or without `${{ }}`.
    """
    found: dict[Path, None] = {}
    for part in _expressions(text, bare):
        _read(part)
        found.update(dict.fromkeys(_names(part.text)))
    return list(found)


def render_message(text: str, context: Mapping[str, Any]) -> str:
    """An ordinary Jinja2 template (`{{ }}`, `{% if %}`, `{% for %}`, `{% set %}`) in the same bounded sandbox."""
    try:
        pieces, length = [], 0
        for piece in _message(text).generate({**context, METER: Meter()}):
            length += len(piece)
            if length > MOST_MESSAGE:
                raise ExpressionError(f"the message is longer than {MOST_MESSAGE} characters")
            pieces.append(piece)
        return "".join(pieces)
    except TemplateSyntaxError as error:
        raise ExpressionError(f"line {error.lineno} does not parse: {error.message}") from None
    except ExpressionError:
        raise
    except _TROUBLE as error:
        raise ExpressionError(f"the message has no value: {_said(error)}") from None
    except _TOO_DEEP:
        raise ExpressionError("the message is nested too deep") from None


@lru_cache(maxsize=256)
def _message(text: str) -> Template:
    if len(text) > MOST_MESSAGE:
        raise ExpressionError(f"a template of {len(text)} characters is longer than {MOST_MESSAGE}")
    return _SANDBOX.from_string(guard(_SANDBOX, _SANDBOX.parse(text), message=True))


def _expressions(text: str, bare: bool) -> Iterator[Part]:
    if bare:
        return iter((_single(text),))
    return (part for part in parts(text) if part.expression)


def _single(text: str) -> Part:
    """The one expression a text is, with or without its markers."""
    if not has_expression(text):
        start = len(text) - len(text.lstrip())
        return Part(text.strip(), start, len(text), True)
    found = [part for part in parts(text) if part.expression or part.text.strip()]
    if len(found) != 1:
        raise ExpressionError(f"{text!r} is not one expression", hint="write the whole of it inside ${{ }}")
    return found[0]


def _value(part: Part, context: Mapping[str, Any]) -> Any:
    expression, meter = _compiled(part), Meter()
    try:
        value = meter.made(expression({**context, METER: meter}))
        if isinstance(value, Undefined):
            str(value)  # a missing value says so here, and not to whoever looks at it later
    except UndefinedError as error:
        raise _error(
            part, *(_absent(part.text, context, str(error.message)) or (_missing(error), ""))
        ) from None
    except ExpressionError as error:
        raise _error(part, error.fact, error.hint) from None
    except _TROUBLE as error:
        raise _error(part, _said(error), error.hint if isinstance(error, RunnerError) else "") from None
    except _TOO_DEEP:
        raise _error(part, "it is nested too deep") from None
    return value


def _said(error: Exception) -> str:
    if isinstance(error, RunnerError):
        return error.fact
    if isinstance(error, UndefinedError):
        return _missing(error)
    return str(error) or type(error).__name__


def _missing(error: UndefinedError) -> str:
    """Jinja2 speaks of Python's objects; people want the name."""
    message = str(error.message)
    if " has no " in message and "'" in message:
        return f"there is no {message.rsplit(' ', 1)[-1].strip(chr(39))} in it"
    return message.replace("' is undefined", "").replace("'", "there is no ", 1)


def _compiled(part: Part) -> TemplateExpression:
    try:
        return _compile(part.text)
    except ExpressionError:
        _read(part)  # raises the same, with its place
        raise
    except _TOO_DEEP:
        raise _error(part, "it is nested too deep") from None
    except TemplateSyntaxError:
        _read(part)
        raise


@lru_cache(maxsize=4096)
def _compile(text: str) -> TemplateExpression:
    result = nodes.Assign(nodes.Name("result", "store", lineno=1), _tree(text), lineno=1)
    result.set_environment(_SANDBOX)
    return TemplateExpression(_SANDBOX.from_string(nodes.Template([result], lineno=1)), False)


def _tree(text: str) -> nodes.Expr:
    """The guarded tree of an expression."""
    if not text:
        raise ExpressionError("the expression is empty")
    if len(text) > MOST_SOURCE:
        raise ExpressionError(f"it is longer than {MOST_SOURCE} characters")
    guarded: nodes.Expr = guard(_SANDBOX, parsed(text))
    return guarded


def parsed(text: str) -> nodes.Expr:
    """The tree of an expression; TemplateSyntaxError where it does not parse."""
    parser = Parser(_SANDBOX, text, state="variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        rest = parser.stream.current
        raise TemplateSyntaxError(f"something is missing before {rest.value!r}", rest.lineno)
    return tree


@lru_cache(maxsize=16_384)
def _trouble(text: str) -> tuple[str, str] | None:
    """What is wrong with an expression (fact, hint), before it has any values."""
    try:
        _tree(text)
    except ExpressionError as error:
        return error.fact, error.hint
    except TemplateSyntaxError as error:
        fact = str(error.message).replace("unexpected 'end of template'", "something is missing at its end")
        return f"it does not parse: {fact}", _spelling(text) or _GRAMMAR
    except _TOO_DEEP:
        return "it is nested too deep", ""
    return None


def _read(part: Part) -> None:
    trouble = _trouble(part.text)
    if trouble is not None:
        raise _error(part, *trouble)


def _spelling(text: str) -> str:
    """Other languages' operators."""
    for theirs, ours in (("&&", "and"), ("||", "or"), ("?", "a if condition else b"), ("!", "not")):
        if theirs in text.replace("!=", ""):
            return f"write `{ours}` instead of {theirs}"
    return ""


def _error(part: Part, fact: str, hint: str = "") -> ExpressionError:
    shown = part.text if len(part.text) <= 120 else part.text[:119] + "…"
    return ExpressionError(f"${{{{ {shown} }}}}: {fact}", hint=hint, offset=part.start)


def _absent(text: str, context: Mapping[str, Any], message: str) -> tuple[str, str] | None:
    """The name of an expression that jinja2's message is about (fact), and what there is instead (hint)."""
    for path in _names(text):
        value: Any = context
        for depth, name in enumerate(path):
            if not isinstance(value, Mapping):
                break
            if name not in value:
                if f"'{name}'" not in message:
                    break  # it has a default
                where = ".".join(map(str, path[:depth]))
                return f"there is no {where + '.' if where else ''}{name}", _instead(value, where, str(name))
            if depth == 1 and path[0] == "secrets":
                break  # nothing is looked up for the sake of a hint
            value = value[name]
    return None


def _instead(value: Mapping[str, Any], where: str, name: str) -> str:
    known = sorted(str(key) for key in value if where or key not in FUNCTIONS)
    near = get_close_matches(name, known, 1, 0.5)
    if near:
        return f"did you mean {where + '.' if where else ''}{near[0]}?"
    if not known:
        return f"{where or 'the context'} is empty"
    return f"{where + ' has' if where else 'there is'}: {', '.join(known[:12])}"


@lru_cache(maxsize=16_384)
def _names(text: str) -> tuple[Path, ...]:
    """Every name an expression reads, with what follows it."""
    found: dict[Path, None] = {}
    inner: set[int] = set()
    for node in walked(parsed(text)):
        if isinstance(node, nodes.Call):
            inner.add(id(node.node))
            if isinstance(node.node, nodes.Getattr):  # a method: what it belongs to is read
                found.update(_found(node.node.node, inner))
        elif id(node) not in inner and isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            found.update(_found(node, inner))
    return tuple(found)


def walked(node: nodes.Node) -> Iterator[nodes.Node]:
    """The node and everything in it, from the outside in."""
    yield node
    for child in node.iter_child_nodes():
        yield from walked(child)


def path_of(node: nodes.Node) -> Path | None:
    """The name that a node is, with what follows it; None where it is anything else."""
    return next(iter(_found(node, set())), None)


def _found(node: nodes.Node, inner: set[int]) -> dict[Path, None]:
    """The path a node is, if it is one; what it consists of is not found again."""
    tail: list[str | int] = []
    seen = [node]
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr):
            tail.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            tail.append(node.arg.value)
        elif isinstance(node, nodes.Getitem):
            tail.clear()  # a key that is computed: what stands before it is known
        else:
            return {}
        node = node.node
        seen.append(node)
    inner.update(id(each) for each in seen)
    if node.name in FUNCTIONS or node.name == "null":
        return {}
    return {(node.name, *reversed(tail)): None}


__all__ = [
    "check",
    "evaluate",
    "has_expression",
    "names",
    "parsed",
    "path_of",
    "render",
    "render_message",
    "walked",
]
