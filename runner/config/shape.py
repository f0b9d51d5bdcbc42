"""What pydantic says of a document, in people's words and at the place in the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from runner.config.diagnose import Trouble, nearest
from runner.config.foreign import ours
from runner.config.node import At, Map, Node, find, kind_of
from runner.errors import RunnerError

M = TypeVar("M", bound=BaseModel)

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def checked(model: type[M], node: Map, trouble: Trouble, prefix: tuple[str | int, ...] = ()) -> M | None:
    """The document, or None with every problem noted."""
    try:
        return model.model_validate(node.value)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _note(each, model, node, trouble, prefix)
        return None


def _note(
    error: Any, model: type[BaseModel], root: Map, trouble: Trouble, prefix: tuple[str | int, ...]
) -> None:
    path: tuple[str | int, ...] = tuple(part for part in error["loc"] if part != "[key]")
    node = find(root, path)
    kind = error["type"]
    key = ".".join(map(str, (*prefix, *path)))
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        at = _key_at(root, path)
        known = list(_keys(model, path[:-1]))
        help = _help_for_unknown(name, known, (*prefix, *path[:-1]))
        trouble.add(
            "unknown-key", f"no key is called `{name}` here", at, help=help, length=len(name), key=key
        )
    elif kind == "missing":
        parent = find(root, path[:-1])
        trouble.add("missing", f"`{name}` is missing", parent.at, help=f"write `{name}: ...`", key=key)
    elif kind == "too_short":
        trouble.add(
            "missing", f"`{name}` is empty", node.at, help="write at least one, or take it out", key=key
        )
    elif kind in _WANTED:
        got = kind_of(node.value)
        shown = f"`{name}`" if isinstance(path[-1] if path else "", str) and name else "it"
        fact = f"{shown} needs {_WANTED[kind]}, not {got}"
        trouble.add("type", fact, node.at, help=_type_help(_WANTED[kind], node), key=key)
    elif kind == "literal_error":
        choices = [
            word.strip().strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(",")
        ]
        near = nearest(str(node.value), choices)
        help = f"did you mean `{near}`?" if near else f"one of: {', '.join(choices)}"
        trouble.add("value", f"{str(node.value)!r} is not one of its values", node.at, help=help, key=key)
    elif kind == "value_error":
        cause = error.get("ctx", {}).get("error")
        fact, help = (
            (cause.fact, cause.hint) if isinstance(cause, RunnerError) else (str(cause or error["msg"]), "")
        )
        if fact.startswith(("has ", "must ")):
            fact = f"`{name}` {fact}"
        trouble.add("value", fact, node.at, help=help, key=key)
    elif kind == "string_pattern_mismatch":
        trouble.add(
            "name",
            _pattern_words(error, node, name),
            _pattern_at(root, path, node),
            key=key,
            help=_name_help(error),
        )
    else:
        trouble.add("value", f"`{name}`: {_lower(error['msg'])}", node.at, key=key)


def _key_at(root: Map, path: tuple[str | int, ...]) -> At:
    parent = find(root, path[:-1])
    name = str(path[-1])
    return parent.keys[name] if isinstance(parent, Map) and name in parent.keys else parent.at


def _pattern_at(root: Map, path: tuple[str | int, ...], node: Node) -> At:
    """A name that is a key stands where the key stands."""
    parent = find(root, path[:-1])
    name = str(path[-1]) if path else ""
    return (
        parent.keys[name]
        if isinstance(parent, Map) and name in parent.keys and isinstance(node, Map)
        else node.at
    )


def _pattern_words(error: Any, node: Node, name: str) -> str:
    return f"{str(error['input'])!r} is not a name that can stand here"


def _name_help(error: Any) -> str:
    pattern = str(error.get("ctx", {}).get("pattern", ""))
    if pattern.startswith("^SIG"):
        return "write a signal's name: SIGTERM, SIGINT, SIGQUIT"
    if pattern.startswith("^[a-z0-9]"):
        return "ids are lower case letters, digits and _ . -, and begin with a letter or digit"
    return "names are letters, digits and _, and do not begin with a digit"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _type_help(wanted: str, node: Node) -> str:
    if wanted == "a mapping":
        return "write keys below it, each as `key: value`"
    if wanted == "text" and isinstance(node.value, int | float):
        return "put it in quotes"
    if wanted == "a list":
        return "write [a, b], or one `- item` per line"
    return ""


def _help_for_unknown(name: str, known: list[str], path: tuple[str | int, ...]) -> str:
    word = ours(name, path)
    if word:
        return f"here it is called: {word}"
    near = nearest(name, known)
    if near:
        return f"did you mean `{near}`?"
    return f"known here: {', '.join(sorted(known)[:30])}" + (", ..." if len(known) > 30 else "")


def _keys(model: type[BaseModel], path: tuple[str | int, ...]) -> Iterable[str]:
    """The keys a mapping at this path may have."""
    kind: Any = model
    chosen = False
    for part in path:
        if isinstance(part, int) or chosen:
            # A number in a list, or a name that people choose, stands for whatever is below it.
            chosen = False
            continue
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found = next(
                (each for name, each in kind.model_fields.items() if _alias(name, each) == part), None
            )
            kind = _model_in(found.annotation) if found is not None else None
            chosen = found is not None and _by_name(found.annotation)
        if kind is None:
            return []
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [_alias(name, each) for name, each in kind.model_fields.items() if not each.exclude]
    return []


def _alias(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _by_name(annotation: Any) -> bool:
    """Whether a type is a mapping of names that people choose."""
    if getattr(annotation, "__origin__", None) is dict:
        return True
    return not isinstance(annotation, type) and any(map(_by_name, getattr(annotation, "__args__", ())[:2]))


def _model_in(annotation: Any) -> Any:
    """The model somewhere inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    origin = getattr(annotation, "__origin__", None)
    return (
        _model_in(origin)
        if origin is not None and origin is not annotation and not isinstance(origin, type)
        else None
    )
