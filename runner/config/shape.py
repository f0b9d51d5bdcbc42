"""What pydantic says of a document, in people's words and at the place in the file."""

from __future__ import annotations

from collections.abc import Iterable
from signal import Signals
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from runner.config.diagnose import MOST, Trouble, nearest
from runner.config.document import FileModel, JobModel, RuleModel, StepModel
from runner.config.foreign import choice, ours
from runner.config.node import At, Map, Node, find, kind_of
from runner.config.order import keys_of
from runner.config.samples import EXAMPLES
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
        for each in error.errors(include_url=False)[:MOST]:
            _note(each, model, node, trouble, prefix)
        return None


def _note(
    error: Any, model: type[BaseModel], root: Map, trouble: Trouble, prefix: tuple[str | int, ...]
) -> None:
    path: tuple[str | int, ...] = tuple(part for part in error["loc"] if part != "[key]")
    node = find(root, path)
    kind = error["type"]
    key = ".".join(map(str, (*prefix, *path)))
    name = _said_name(root, path)
    if kind == "extra_forbidden":
        name = str(path[-1])
        at = _key_at(root, path)
        known = list(_keys(model, path[:-1]))
        help = _help_for_unknown(name, known, (*prefix, *path[:-1]))
        if not (*prefix, *path[:-1]) and nearest(name, known) != "defaults" and _is_job(node):
            help = f"`{name}` looks like a job: indent it, to stand below `jobs:`"
        trouble.add(
            "unknown-key", f"no key is called `{name}` here", at, help=help, length=len(name), key=key
        )
    elif kind == "missing":
        name, parent = str(path[-1]), find(root, path[:-1])
        trouble.add("missing", f"`{name}` is missing", parent.at, help=f"write `{name}: ...`", key=key)
    elif kind == "too_short":
        trouble.add(
            "missing", f"`{name}` is empty", node.at, help="write at least one, or take it out", key=key
        )
    elif kind in _WANTED:
        wanted, help = _SHORT.get(name, ("", "")) if _WANTED[kind] == "a mapping" else ("", "")
        wanted = wanted or _WANTED[kind]
        help = help or _below_help(wanted, path) or _type_help(wanted, name, node)
        trouble.add(
            "type", f"`{name}` needs {wanted}, not {kind_of(node.value)}", node.at, help=help, key=key
        )
    elif kind == "literal_error":
        choices = [
            word.strip().strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(",")
        ]
        near = choice(str(node.value), choices) or nearest(str(node.value), choices)
        help = f"did you mean `{near}`? " if near else ""
        help += f"one of: {', '.join(choices)}" if len(choices) > 1 else f"write {choices[0]}"
        trouble.add("value", f"`{name}` cannot be {str(node.value)!r}", node.at, help=help, key=key)
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
    elif kind in _BOUNDS:
        (bound,) = error["ctx"].values()
        help = f"it is a number {_BOUNDS[kind]} {bound}"
        trouble.add("value", f"`{name}` cannot be {node.value}", node.at, help=help, key=key)
    else:
        help = "docs/jobs-yaml.md says what it may be"
        trouble.add("value", f"`{name}`: {_lower(error['msg'])}", node.at, help=help, key=key)


_BOUNDS = {
    "greater_than_equal": "from",
    "less_than_equal": "up to",
    "greater_than": "greater than",
    "less_than": "less than",
}
_SHORT = {
    "retry": ("a whole number, or a mapping", "write retry: 3, or retry: {max: 3, delay: 10s}"),
    "concurrency": ("a word, or a mapping", "write concurrency: skip, or concurrency: {overlap: queue}"),
    "catchup": ("a word, or a mapping", "write catchup: latest, or catchup: {runs: all, max: 20}"),
    "success": ("exit codes, or a mapping", "write success: [0, 3], or success: {exit_codes: [0, 3]}"),
    "schedule": ("text, or a mapping", 'write schedule: every 5m, or schedule: {cron: "0 2 * * *"}'),
    "secrets": ("a mapping", "write NAME: {env: VARIABLE} below it"),
}
"""What keys with a short form take, and how it is written."""


def _said_name(root: Map, path: tuple[str | int, ...]) -> str:
    """The last key on the way that somebody wrote: a short form has none of the keys below it."""
    found = ""
    for number, part in enumerate(path):
        parent = find(root, path[:number])
        if isinstance(parent, Map) and part in parent.nodes:
            found = str(part)
    return found or str(path[-1] if path else "")


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
    pattern = str(error.get("ctx", {}).get("pattern", ""))
    what = "name of a signal" if pattern.startswith("^SIG") else "name that can stand here"
    return f"{str(error['input'])!r} is not a {what}"


def _name_help(error: Any) -> str:
    pattern = str(error.get("ctx", {}).get("pattern", ""))
    if pattern.startswith("^SIG"):
        near = f"SIG{str(error['input']).upper()}"
        return f"did you mean {near}?" if near in Signals.__members__ else "write SIGTERM, SIGINT or SIGQUIT"
    if pattern.startswith("^[a-z0-9]"):
        return "ids are lower case letters, digits and _ . -, and begin with a letter or digit"
    return "names are letters, digits and _, and do not begin with a digit"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _below_help(wanted: str, path: tuple[str | int, ...]) -> str:
    """How one of those is written that people give names of their own."""
    parent, name = (path[-2], path[-1]) if len(path) > 1 else ("", "")
    if wanted != "a mapping":
        return ""
    if parent == "secrets":
        return "never the secret itself: write {env: NAME}, {file: PATH} or {command: [program, argument]}"
    return f"write {name}: {{type: string}}" if parent == "params" else ""


_MEANT = dict.fromkeys(("yes", "on", "y", "true"), "true") | dict.fromkeys(
    ("no", "off", "n", "false"), "false"
)


def _type_help(wanted: str, name: str, node: Node) -> str:
    if wanted == "a mapping":
        return f"write {EXAMPLES[name]}" if name in EXAMPLES else "write keys below it, each as `key: value`"
    if name == "steps":
        return "begin each step with `-`, such as `- id: load`, its keys below"
    if name == "command":
        return "write command: [program, argument], or run: with text for the shell"
    if wanted == "a list":
        return "write [a, b], or one `- item` per line"
    if wanted in ("a whole number", "a number"):
        return f"write {name}: 3"
    if wanted == "true or false" and (meant := _MEANT.get(str(node.value).lower())) is not None:
        why = "in quotes it is a text" if str(node.value).lower() == meant else "in YAML 1.2 that is a text"
        return f"{why}: write {name}: {meant}"
    if wanted == "true or false":
        return f"write {name}: true, or {name}: false"
    if name == "include":
        return "write include: [jobs.d/*.yaml]"
    if name == "run":
        return "write the text for the shell; several lines begin with `run: |`"
    return f"write {name}: text" if isinstance(node.value, list | dict | None) else "put it in quotes"


def _help_for_unknown(name: str, known: list[str], path: tuple[str | int, ...]) -> str:
    if word := ours(name, path):
        return word
    if near := nearest(name, known):
        return f"did you mean `{near}`?"
    if place := _elsewhere(name, path):
        return place
    return f"known here: {', '.join(sorted(known))}"


_WORK = {"run", "command", "python", "http", "steps"}


def _is_job(node: Node) -> bool:
    """Whether it says what to do; what it says of `run` is a job of that name where that is a mapping."""
    if not isinstance(node, Map):
        return False
    work = {key: node.nodes[key] for key in _WORK & {*node.nodes}}
    return any(
        not _WORK & {*each.nodes} if key == "http" and isinstance(each, Map) else not isinstance(each, Map)
        for key, each in work.items()
    )


_OF_RULE = frozenset(RuleModel.model_fields)


def _elsewhere(name: str, path: tuple[str | int, ...]) -> str:
    """Where a key of ours stands that cannot stand here."""
    of_step, of_job, of_file = (keys_of(model) for model in (StepModel, JobModel, FileModel))
    inside = bool(path) and path[0] in ("jobs", "templates", "defaults")
    if name == "group" and inside and "steps" not in path:
        return "write concurrency: {group: NAME}; a step has `group`"
    if path[-1:] == ("notify",):
        return f"write it inside: on_failure: {{to: CHANNEL, {name}: ...}}" if name in _OF_RULE else ""
    if inside and "steps" in path and name in of_job:
        return f"`{name}` is a key of the job: write it beside `steps`"
    if inside and name in of_step:
        return f"`{name}` is a key of a step: write it below `steps:`"
    if inside and name in of_file:
        return f"`{name}` stands beside `jobs`, not inside a job"
    if not path and name in of_job:
        return f"`{name}` is a key of a job: write it below `jobs:`, or in `defaults`"
    return ""


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
