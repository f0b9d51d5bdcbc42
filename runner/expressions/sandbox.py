"""The sandbox: plain values only, a list of what may be done with them, and a meter on everything that is made.

It allows instead of forbidding: an attribute is a key of a mapping or a listed method of text, lists, mappings and
moments, and whatever else Python objects have does not exist here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.visitor import NodeTransformer

from runner.errors import ExpressionError
from runner.expressions.bounds import Meter, TooMuch, counted, length_within, operated
from runner.expressions.filters import FILTERS, as_text

METER = "~meter"
FUNCTIONS = frozenset({"success", "failure", "cancelled", "always", "range"})
"""The names an expression may call."""

_TEXT = frozenset(
    {
        *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower"),
        *("isupper", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind"),
        *("rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper"),
    }
)
_LIST = frozenset({"count", "index"})
_MAPPING = frozenset({"get", "items", "keys", "values"})
_DATE = frozenset({"day", "isoformat", "isoweekday", "month", "strftime", "weekday", "year"})
_DATETIME = _DATE | {"date", "hour", "microsecond", "minute", "second", "timestamp", "utcoffset"}
_SPAN = frozenset({"days", "seconds", "total_seconds"})
_LOOP = frozenset({"first", "index", "index0", "last", "length", "revindex", "revindex0"})
_ALLOWED: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, _TEXT),
    ((list, tuple), _LIST),
    (Mapping, _MAPPING),
    (datetime, _DATETIME),
    (date, _DATE),
    (timedelta, _SPAN),
    (LoopContext, _LOOP),
)

TESTS = (
    *("boolean", "defined", "divisibleby", "eq", "even", "false", "float", "ge", "gt", "in", "integer"),
    *("iterable", "le", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence"),
    *("string", "true", "undefined", "upper", "==", "!=", "<", "<=", ">", ">="),
)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all expressions and messages."""

    intercepted_binops = frozenset({"+", "-", "*", "**", "%", "//", "/"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, cache_size=0, autoescape=False, optimized=False, finalize=_finalized
        )
        self.filters = {name: _metered(function) for name, function in FILTERS.items()}
        self.filters |= {"~concat": _concat, "~made": _made, "~each": _each}
        tests: Mapping[str, Any] = JINJA_TESTS
        self.tests = {name: _tested(tests[name]) for name in TESTS}
        self.globals = {"range": counted, "null": None}
        self.policies["truncate.leeway"] = 0

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b`: the key `b` of a mapping, else a listed method or part."""
        found = self.getitem(obj, attribute)
        if isinstance(found, Undefined) and self.is_safe_attribute(obj, attribute, None):
            return getattr(obj, attribute)
        return found

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`a[b]`: an item. What a mapping holds is data: a function in it is not there."""
        if isinstance(obj, Undefined):
            return obj[argument]  # raises, with the name that is missing
        whole = isinstance(argument, int | slice)
        if isinstance(obj, Mapping) or (isinstance(obj, str | list | tuple) and whole):
            try:
                found = obj[argument]
            except (LookupError, TypeError, ValueError):
                pass
            else:
                if not callable(found):
                    return found
        return self.undefined(obj=obj, name=str(argument))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Listed, or it does not exist."""
        for kind, allowed in _ALLOWED:
            if isinstance(obj, kind):
                return attr in allowed
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        """Functions of the context and listed methods: nothing else is ever reached."""
        return callable(obj) and not isinstance(obj, type | Undefined)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        operated(operator, left, right)
        return _meter(context).made(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        meter = _meter(context)
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str | date):
            meter.made(owner if isinstance(owner, str) else list(args))
            if name == "replace":
                obj = _replaced(owner)
            if name == "strftime" and args:
                length_within(len(str(args[0])) * 5_000)
        result = super().call(context, obj, *args, **kwargs)
        return _kept(meter, result)


def _replaced(text: Any) -> Callable[..., str]:
    def replace(old: str, new: str, count: int = -1) -> str:
        replaced: str = FILTERS["replace"](text, old, new, count)
        return replaced

    return replace


def _meter(context: Context) -> Meter:
    meter = context.get(METER)
    assert isinstance(meter, Meter)
    return meter


def _kept(meter: Meter, result: Any) -> Any:
    """A result, charged; views and iterators become lists."""
    if isinstance(result, str | int | float | list | tuple | dict | MappingProxyType) or result is None:
        return meter.made(result)
    if isinstance(result, Iterator) or type(result).__name__ in ("dict_items", "dict_keys", "dict_values"):
        return meter.collected(result)
    return meter.made(result)


def _metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is charged for what it reads and for what it makes."""
    wants = getattr(getattr(function, "jinja_pass_arg", None), "name", "")

    @pass_context
    def metered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        meter = _meter(context)
        meter.made(value)
        given = [*args, *kwargs.values()]
        meter.made(given)
        if isinstance(value, list | tuple):  # each of them is looked at through these words
            meter.charge(len(value) * sum(len(word) for word in given if isinstance(word, str)) // 2)
        match wants:
            case "context":
                result = function(context, value, *args, **kwargs)
            case "eval_context":
                result = function(context.eval_ctx, value, *args, **kwargs)
            case "environment":
                result = function(context.environment, value, *args, **kwargs)
            case _:
                result = function(value, *args, **kwargs)
        return _kept(meter, result)

    return metered


def _tested(function: Callable[..., Any]) -> Callable[..., Any]:
    """A test that is charged for what it looks at; `select` may ask it a thousand times."""

    @pass_context
    def tested(context: Context, value: Any, *args: Any) -> Any:
        _meter(context).made([value, *args])
        return function(value, *args)

    return tested


@pass_context
def _concat(context: Context, values: list[Any]) -> str:
    """`a ~ b`."""
    meter = _meter(context)
    pieces = [as_text(meter.made(value)) for value in values]
    length_within(sum(map(len, pieces)))
    return "".join(pieces)


@pass_context
def _made(context: Context, value: Any) -> Any:
    return _meter(context).made(value)


@pass_context
def _each(context: Context, values: Any, weight: int) -> list[Any]:
    """What a loop goes through; `weight` is the size of its body."""
    meter = _meter(context)
    found = meter.collected(values)
    meter.charge(len(found) * weight)
    return found


@pass_context
def _finalized(context: Context, value: Any) -> str:
    """What a message shows of a value."""
    return as_text(_meter(context).made(value))


_EXPRESSION = (
    *(nodes.Name, nodes.Const, nodes.TemplateData, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair),
    *(nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Filter, nodes.Test),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.Concat, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow),
)
_MESSAGE = (nodes.Template, nodes.Output, nodes.If, nodes.For, nodes.Assign, nodes.With)


class _Guard(NodeTransformer):
    """Lets through what is listed, and puts the meter where code would otherwise go round it."""

    def __init__(self, sandbox: Sandbox, *, message: bool) -> None:
        self.sandbox = sandbox
        self.allowed = frozenset(_EXPRESSION + (_MESSAGE if message else ()))

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if type(node) not in self.allowed:
            raise ExpressionError(f"{type(node).__name__.lower()} is not available here")
        return super().generic_visit(node, *args, **kwargs)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - jinja2's name
        callee = node.node
        if isinstance(callee, nodes.Name):
            if callee.name not in FUNCTIONS:
                raise ExpressionError(
                    f"there is no function {callee.name}", hint=_near(callee.name, FUNCTIONS)
                )
        elif not isinstance(callee, nodes.Getattr):
            raise ExpressionError("only named functions can be called")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("a call lists its arguments, without *")
        return self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        if node.name in ("self", "caller", "varargs", "kwargs"):  # jinja2's own
            raise ExpressionError(f"there is no {node.name}")
        return self.generic_visit(node)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        if node.attr.startswith("__"):
            raise ExpressionError(f"there is no {node.attr} in it")
        return self.generic_visit(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self._known("filter", node.name, self.sandbox.filters)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self._known("test", node.name, self.sandbox.tests)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        visited = self.generic_visit(node)
        assert isinstance(visited, nodes.Concat)
        return _filtered(nodes.List(visited.nodes, lineno=node.lineno), "~concat")

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return _filtered(self.generic_visit(node), "~made")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return _filtered(self.generic_visit(node), "~made")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        visited = self.generic_visit(node)
        return visited if node.ctx == "store" else _filtered(visited, "~made")

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            raise ExpressionError("a loop cannot be recursive here")
        weight = sum(1 for _ in node.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "~each", nodes.Const(weight, lineno=node.lineno))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _charged(node.expr)
        for operand in node.ops:
            operand.expr = _charged(operand.expr)
        return node

    def _known(self, kind: str, name: str | None, known: Mapping[str, Any]) -> None:
        if name is None:
            raise ExpressionError("a filter block is not available here")
        if name not in known:
            raise ExpressionError(f"there is no {kind} {name}", hint=_near(name, known))


def _filtered(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _charged(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filtered(node, "~made")


def _near(name: str, known: Any) -> str:
    words = sorted(word for word in known if word[0].isalpha())
    near = get_close_matches(name, words, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(words)}"


def guard(sandbox: Sandbox, node: Any, *, message: bool = False) -> Any:
    """The tree with the meter in it. Raises ExpressionError about whatever is not allowed."""
    guarded = _Guard(sandbox, message=message).visit(node)
    guarded.set_environment(sandbox)
    return guarded


__all__ = ["FUNCTIONS", "METER", "Sandbox", "TooMuch", "guard"]
