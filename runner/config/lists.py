"""`foreach` and `matrix` of a step: what can be no list is told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.config.diagnose import Trouble
from runner.config.merge import Whole, place_of
from runner.config.node import Map, Scalar
from runner.errors import ExpressionError
from runner.expressions import names, parts
from runner.spec import JobSpec, Step, is_text


def check(whole: Whole, spec: JobSpec, node: Map, step: Step, trouble: Trouble) -> None:
    """Note where a text stands or is read for the values of a step's instances."""
    for key, values in _values(node):
        text = str(values.value)
        try:
            found = list(parts(text))
            read = names(text)
        except ExpressionError:
            continue  # told where all expressions are
        alone = [part.expression for part in found] == [True]
        if not alone:
            fact = f"`{key}` needs a list, not text"
            help = "an expression that gives one stands alone" if read else f"write [{text}]"
        elif len(read) == 1 and found[0].text.strip() == (name := ".".join(map(str, read[0]))):
            why, help = _text(read[0], whole.vars, spec)
            if not why:
                continue
            fact = f"`{key}` needs a list, and {name} {why}"
        else:
            continue
        trouble.add("type", fact, place_of(values, 0), help=help, key=f"jobs.{whole.id}")


def _values(node: Map) -> Iterator[tuple[str, Scalar]]:
    foreach, matrix = node.nodes.get("foreach"), node.nodes.get("matrix")
    if isinstance(foreach, Scalar):
        yield "foreach", foreach
    for name, axis in matrix.nodes.items() if isinstance(matrix, Map) else ():
        if isinstance(axis, Scalar):
            yield f"matrix.{name}", axis


def _text(path: tuple[str | int, ...], variables: Mapping[str, object], spec: JobSpec) -> tuple[str, str]:
    """Why what is read there can be no list, and what to write; ("", "") where it may be one."""
    name = ".".join(map(str, path))
    read = f"write ${{{{ {name} | fromjson }}}} where it is JSON, or ${{{{ {name}.split() }}}}"
    match path:
        case ("vars", str(var)) if isinstance(variables.get(var), str):
            return "is text", read
        case ("params", str(wanted)):
            kind = next((param.type for param in spec.params if param.name == wanted), None)
            if kind is not None:
                return (
                    f"is of type {kind}",
                    read if kind == "string" else f'for one value: ["${{{{ {name} }}}}"]',
                )
        case ("steps", str(id), "outputs", str(output)):
            step = next((step for step in spec.steps if step.id == id), None)
            # Those of instances are lists.
            if step is not None and step.foreach is None and is_text(step, output):
                return "is text, as all that a command writes to $RUNNER_OUTPUT", read
    return "", ""
