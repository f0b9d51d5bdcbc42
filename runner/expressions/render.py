"""Texts with `${{ }}`: rendered, evaluated, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jinja2 import TemplateAssertionError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError

from runner.errors import ExpressionError
from runner.expressions import sandbox
from runner.expressions.scan import Part, has_expression, parts

Path = tuple[str | int, ...]

_SANDBOX = sandbox.make()
_MOST_SOURCE = 10_000


def render(text: str, context: Mapping[str, Any]) -> Any:
    """The text with its expressions' values; one that is nothing but an expression keeps the value's type.

    Raises ExpressionError, with the offset of the expression that has no value.
    """
    if not has_expression(text):
        return text
    found = list(parts(text))
    if len(found) == 1 and found[0].expression:
        return _value(found[0], context)
    pieces = [as_text(_value(part, context)) if part.expression else part.text for part in found]
    whole = "".join(pieces)
    if len(whole) > sandbox.MOST_TEXT:
        raise ExpressionError(f"a text of {len(whole)} characters is more than {sandbox.MOST_TEXT}")
    return whole


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of an expression, written with or without `${{ }}`."""
    return _value(_single(text), context)


def check(text: str, *, bare: bool = False) -> None:
    """Compile every expression of a text (`bare`: the text is one); ExpressionError names the offset."""
    for part in (_single(text),) if bare else parts(text):
        if part.expression:
            _compiled(part)


def names(text: str, *, bare: bool = False) -> list[Path]:
    """What the expressions of a text read: `steps.load.outputs.rows` is ("steps", "load", "outputs", "rows")."""
    found: list[Path] = []
    for part in (_single(text),) if bare else parts(text):
        if part.expression:
            _compiled(part)
            found += _names(part.text)
    return found


def render_message(text: str, context: Mapping[str, Any]) -> str:
    """An ordinary Jinja2 template for a message of people's own, in the same sandbox, bounded in length."""
    try:
        template = _messages().from_string(text)
        pieces: list[str] = []
        length = 0
        for piece in template.generate(context):
            length += len(piece)
            if length > 65_536:
                raise ExpressionError("the message is longer than 65536 characters")
            pieces.append(piece)
        return "".join(pieces)
    except (TemplateSyntaxError, TemplateAssertionError) as error:
        raise ExpressionError(f"the template does not compile: {error.message}") from None
    except (UndefinedError, SecurityError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"the template has no value: {error}") from None


@lru_cache(maxsize=1)
def _messages() -> sandbox.Sandbox:
    return sandbox.make()


def as_text(value: Any) -> str:
    """A value as it stands inside a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    encode: Callable[[Any], str] = sandbox.FILTERS["json"]
    return encode(value)


def _single(text: str) -> Part:
    """The one expression a text is, with or without its markers."""
    if has_expression(text):
        found = [part for part in parts(text) if part.expression or part.text.strip()]
        if len(found) != 1 or not found[0].expression:
            raise ExpressionError(
                f"{text!r} is not one expression", hint="write the whole of it inside ${{ }}"
            )
        return found[0]
    return Part(text.strip(), 0, len(text), True)


def _value(part: Part, context: Mapping[str, Any]) -> Any:
    try:
        value = _compiled(part)(**context)
    except UndefinedError as error:
        raise _error(part, str(error.message), _exists(part.text, context)) from None
    except SecurityError as error:
        raise _error(part, str(error)) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        if isinstance(error, ExpressionError):
            raise _error(part, error.fact, error.hint) from None
        raise _error(part, f"{type(error).__name__}: {error}") from None
    except RecursionError:
        raise _error(part, "it is nested too deep") from None
    if isinstance(value, str) and len(value) > sandbox.MOST_TEXT:
        raise _error(part, f"its value of {len(value)} characters is more than {sandbox.MOST_TEXT}")
    return value


def _compiled(part: Part) -> TemplateExpression:
    if not part.text:
        raise _error(part, "the expression is empty")
    if len(part.text) > _MOST_SOURCE:
        raise _error(part, f"it is longer than {_MOST_SOURCE} characters")
    try:
        return _compile(part.text)
    except TemplateAssertionError as error:
        raise _error(part, str(error.message).rstrip("."), _known_filter(str(error.message))) from None
    except TemplateSyntaxError as error:
        raise _error(part, f"it does not parse: {error.message}") from None
    except RecursionError:
        raise _error(part, "it is nested too deep") from None


@lru_cache(maxsize=4096)
def _compile(text: str) -> TemplateExpression:
    return _SANDBOX.compile_expression(text, undefined_to_none=False)


def _error(part: Part, fact: str, hint: str = "") -> ExpressionError:
    error = ExpressionError(f"${{{{ {part.text} }}}}: {fact}", hint=hint)
    error.offset = part.start
    return error


def _known_filter(message: str) -> str:
    name = message.split("'")[1] if "'" in message else ""
    near = get_close_matches(name, _SANDBOX.filters, 1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(_SANDBOX.filters))}"


def _exists(text: str, context: Mapping[str, Any]) -> str:
    """What there is, where a name of the expression stops meaning anything."""
    for path in _names(text):
        value: Any = context
        for depth, name in enumerate(path):
            if not isinstance(value, Mapping):
                break
            if name not in value:
                where = ".".join(map(str, path[:depth]))
                known = [str(key) for key in value if not callable(value[key])]
                near = get_close_matches(str(name), known, 1)
                if near:
                    return f"did you mean {'.'.join([*map(str, path[:depth]), near[0]])}?"
                there = f"{where} has" if where else "there is"
                return f"{there}: {', '.join(known[:12])}" if known else f"{where or 'it'} is empty"
            value = value[name]
    return ""


@lru_cache(maxsize=4096)
def _names(text: str) -> tuple[Path, ...]:
    """Every name an expression reads, with the attributes that follow it."""
    tree = _SANDBOX.parse("{{ " + text + " }}")
    found: list[Path] = []
    inner: set[int] = set()

    def path(node: nodes.Node) -> Path | None:
        if isinstance(node, nodes.Name):
            return (node.name,)
        if isinstance(node, nodes.Getattr):
            base = path(node.node)
            return None if base is None else (*base, node.attr)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            base = path(node.node)
            return None if base is None else (*base, node.arg.value)
        return None

    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        if id(node) in inner:
            continue
        whole = path(node)
        for child in node.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
            if whole is not None:
                inner.add(id(child))
        if whole is not None:
            found.append(whole)
    return tuple(dict.fromkeys(found))
