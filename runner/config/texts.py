"""Where a value that can only be text is taken for a list, a number or a truth value: told before anything runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from runner.config.diagnose import Trouble
from runner.config.merge import Whole, place_of
from runner.config.node import Map, Scalar
from runner.errors import ExpressionError
from runner.expressions import compared, names, parts, truths
from runner.spec import JobSpec, is_text

Path = tuple[str | int, ...]
_SIGN = re.compile("[<>=]")


def check_instances(whole: Whole, spec: JobSpec, node: Map, trouble: Trouble) -> None:
    """Note where the values of a step's instances are text: its letters are not what anybody means."""
    for key, values, text in _values(node):
        try:
            found = list(parts(text))
            read = names(text)
        except ExpressionError:
            continue  # told where all expressions are
        if [part.expression for part in found] != [True]:
            fact = f"`{key}` needs a list, not text"
            help = "an expression that gives one stands alone" if read else f"write [{text}]"
        elif len(read) == 1 and found[0].text.strip() == (name := ".".join(map(str, read[0]))):
            what = _one_value(read[0], whole.vars, spec)
            if not what:
                continue
            fact = f"`{key}` needs a list, and {name} is {what}"
            help = (
                f"write ${{{{ {name} | fromjson }}}} where it is JSON, or ${{{{ {name}.split() }}}}"
                if what.startswith("text")
                else f'for one value: ["${{{{ {name} }}}}"]'
            )
        else:
            continue
        trouble.add("text", fact, place_of(values, 0), help=help, key=f"jobs.{whole.id}")


def check_condition(whole: Whole, spec: JobSpec, node: Scalar, trouble: Trouble) -> None:
    """Note where a condition is a text: `false` is a text that is not empty, so it holds."""
    text = str(node.value)
    try:
        names(text, bare=True)
    except ExpressionError:
        return  # told where all expressions are
    for expression in _expressions(text, bare=True):
        for path in truths(expression):
            name, what = ".".join(map(str, path)), _one_value(path, whole.vars, spec)
            if what.startswith("text"):
                trouble.add(
                    "text",
                    f"{name} is {what}, and holds unless it is empty: the text `false` does, too",
                    place_of(node, max(0, text.find(name))),
                    help=f"write {name} == 'true', or {name} != '' where any text will do",
                    key=f"jobs.{whole.id}",
                    level="warning",
                )


def check_compared(
    whole: Whole, spec: JobSpec, node: Scalar, text: str, trouble: Trouble, *, bare: bool
) -> None:
    """Note where a text is compared with a number or a truth value: never equal, and neither more nor less."""
    for expression in _expressions(text, bare=bare):
        if _SIGN.search(expression) is None:
            continue  # most: to read their trees would take longer than all other checks
        for path, sign, value in compared(expression):
            name, what = ".".join(map(str, path)), _one_value(path, whole.vars, spec)
            if not what.startswith("text"):
                continue
            offset = max(0, text.find(name))
            shown = json.dumps(value)
            help = (
                f"write {name} {sign} '{shown}'"
                if isinstance(value, bool)
                else f"write {name} | {'int' if isinstance(value, int) else 'float'} {sign} {shown}"
            )
            fact = f"{name} is {what}, and `{sign} {shown}` compares it with "
            fact += "a truth value" if isinstance(value, bool) else "a number"
            trouble.add("text", fact, place_of(node, offset), help=help, key=f"jobs.{whole.id}")


def _expressions(text: str, *, bare: bool) -> list[str]:
    return [part.text for part in parts(text) if part.expression] or ([text.strip()] if bare else [])


def _values(node: Map) -> Iterator[tuple[str, Scalar, str]]:
    foreach, matrix = node.nodes.get("foreach"), node.nodes.get("matrix")
    if isinstance(foreach, Scalar) and isinstance(foreach.value, str):
        yield "foreach", foreach, foreach.value
    for name, axis in matrix.nodes.items() if isinstance(matrix, Map) else ():
        if isinstance(axis, Scalar) and isinstance(axis.value, str):
            yield f"matrix.{name}", axis, axis.value


def _one_value(path: Path, variables: Mapping[str, object], spec: JobSpec) -> str:
    """What a name is that can only be one value, `text` or `of type date`; empty where it may be anything."""
    match path:
        case ("vars", str(var)) if isinstance(variables.get(var), str):
            return "text"
        case ("params", str(wanted)):
            kind = next((param.type for param in spec.params if param.name == wanted), None)
            return "" if kind is None else "text" if kind == "string" else f"of type {kind}"
        case ("steps", str(id), "outputs", str(output)):
            step = next((step for step in spec.steps if step.id == id), None)
            # Those of instances are lists.
            if step is not None and step.foreach is None and is_text(step, output):
                return "text, as all that a command writes to $RUNNER_OUTPUT"
    return ""
