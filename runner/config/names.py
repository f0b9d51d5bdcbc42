"""Names in expressions, checked before anything runs: an unknown step, a parameter that is not one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from runner.config import texts
from runner.config.diagnose import Trouble, did_you_mean
from runner.config.merge import Whole, place_of
from runner.config.node import Map, Node, Scalar, Seq, find, is_dynamic
from runner.errors import ExpressionError
from runner.expressions import FUNCTIONS, has_expression, names, without_comments
from runner.spec import Call, Command, Http, JobSpec, Step

_RUN = frozenset(
    "id status reason scheduled_at started_at ended_at attempt duration failed_step last_success commit dir"
    "".split(" ")
)
_JOB = frozenset("id name description owner runbook tags timezone".split(" "))
_TRIGGER = frozenset("type by".split(" "))
_HTTP_OUTPUTS = frozenset({"status", "body", "json", "headers"})
_EVERYWHERE = frozenset("vars env params matrix item job run steps trigger".split(" "))
_NEWS = frozenset("job run news params".split(" "))
_OF_NEWS: Mapping[str, frozenset[str]] = {
    "job": _JOB - {"description"} | {"failures", "since"},
    "run": _RUN - {"last_success", "commit", "dir"} | {"exit_code", "error", "output"},
    "news": frozenset("kind at late channel".split(" ")),
}
"""What a title or body of one's own may read (docs/alerts.md)."""
_QUESTIONS = frozenset({"success", "failure", "cancelled", "always"})

OF_ENV = frozenset("vars env params matrix job run trigger secrets".split(" "))
"""What the variables of all commands may read: what every job has."""
_BARE = frozenset({"steps", "outputs", "notify"})
"""Keys in which an expression may stand without its markers."""
_TEXTS = ("run", "command", "with", "http", "env", "working_dir")
"""Keys read when the step starts; they may use secrets too."""


def check(whole: Whole, spec: JobSpec, secrets: Iterable[str], trouble: Trouble) -> None:
    """Note every name in the job's expressions that will not exist when it is read."""
    if whole.node.dynamic or not _BARE.isdisjoint(whole.node.nodes):
        _Check(whole, spec, frozenset(secrets), trouble).all()


def check_shared(node: Node, roots: frozenset[str], secrets: Iterable[str], trouble: Trouble) -> None:
    """Note what is wrong with expressions beside the jobs: those of channels and of the variables of all commands."""
    known = list(secrets)
    for child in _scalars(node) if is_dynamic(node) else ():
        if not isinstance(child.value, str) or not has_expression(child.value):
            continue
        try:
            found = names(child.value)
        except ExpressionError as error:
            trouble.add("expression", error.fact, place_of(child, error.offset), help=error.hint)
            continue
        for path in found:
            at = place_of(child, max(0, child.value.find(".".join(map(str, path)))))
            if path[0] not in roots:
                trouble.add(
                    "unknown-name",
                    f"there is no `{path[0]}` here",
                    at,
                    help=did_you_mean(str(path[0]), roots),
                )
            elif path[0] == "secrets" and len(path) > 1 and path[1] not in known:
                help = did_you_mean(str(path[1]), known) or _declare("secrets")
                trouble.add("unknown-secret", f"there is no secret `{path[1]}`", at, help=help)


class _Check:
    def __init__(self, whole: Whole, spec: JobSpec, secrets: frozenset[str], trouble: Trouble) -> None:
        self.whole = whole
        self.spec = spec
        self.secrets = secrets
        self.trouble = trouble
        self.steps = {step.id: step for step in spec.steps}

    def all(self) -> None:
        root = self.whole.node
        for key in _TEXTS:
            if key in root.nodes:
                only = self.spec.steps[0] if len(self.spec.steps) == 1 else None
                self._work(key, root.nodes[key], only)
        if "artifacts" in root.nodes:
            self._texts(root.nodes["artifacts"], None)
        if "heartbeat" in root.nodes:
            self._texts(root.nodes["heartbeat"], None, roots=frozenset({"secrets"}))
        params = root.nodes.get("params")
        for param in params.nodes.values() if isinstance(params, Map) else ():
            self._texts(find(param, ("default",)), None, roots=frozenset({"run", "vars", "job", "matrix"}))
        steps = root.nodes.get("steps")
        if isinstance(steps, Seq):
            for node, step in zip(steps.nodes, self.spec.steps, strict=False):
                if isinstance(node, Map):
                    self._step(node, step)
        elif "outputs" in root.nodes:
            self._outputs(root.nodes["outputs"], self.spec.steps[0])
        notify = root.nodes.get("notify")
        for rule in _rules(notify) if notify is not None else ():
            if "if" in rule.nodes:
                self._bare(rule.nodes["if"], None, roots=_EVERYWHERE)
            for key in ("title", "body"):
                if key in rule.nodes:
                    self._texts(rule.nodes[key], None, roots=_NEWS, known=_OF_NEWS)

    def _step(self, node: Map, step: Step) -> None:
        for key in _TEXTS:
            if key in node.nodes:
                self._work(key, node.nodes[key], step)
        condition = node.nodes.get("if")
        if condition is not None:
            self._bare(condition, step, roots=_EVERYWHERE, functions=_QUESTIONS)
            if isinstance(condition, Scalar):
                texts.check_condition(self.whole, self.spec, condition, self.trouble)
        for key in ("foreach", "matrix"):
            if key in node.nodes:
                self._texts(node.nodes[key], step, roots=_EVERYWHERE - {"item"})
        texts.check_instances(self.whole, self.spec, node, self.trouble)
        if "artifacts" in node.nodes:
            self._texts(node.nodes["artifacts"], step)
        if "outputs" in node.nodes:
            self._outputs(node.nodes["outputs"], step)

    def _outputs(self, node: Node, step: Step) -> None:
        roots = _EVERYWHERE | {"stdout", "stderr", "exit_code", "result"}
        if isinstance(node, Map):
            for child in node.nodes.values():
                self._bare(child, step, roots=roots)

    def _work(self, key: str, node: Node, step: Step | None) -> None:
        """What a step does: secrets are for it, though not all of it is private."""
        self._texts(node, step, roots=_EVERYWHERE | {"secrets"}, script=key == "run")
        if key == "command":
            for child in _scalars(node):
                for path in _quietly(child.value):
                    if path[0] == "secrets" and len(path) > 1:
                        self.trouble.add(
                            "exposed-secret",
                            f"the secret `{path[1]}` will stand in the list of processes",
                            place_of(child, max(0, str(child.value).find("secrets."))),
                            help=f"hand it over by env: {{NAME: ${{{{ secrets.{path[1]} }}}}}}",
                            level="warning",
                        )

    # ── one text ────────────────────────────────────────────────────────────────────────────

    def _texts(
        self,
        node: Node,
        step: Step | None,
        *,
        roots: frozenset[str] = _EVERYWHERE,
        script: bool = False,
        known: Mapping[str, frozenset[str]] = {},
    ) -> None:
        if not is_dynamic(node):
            return
        for child in _scalars(node):
            if isinstance(child.value, str) and has_expression(child.value):
                text = without_comments(child.value) if script else child.value
                self._one(child, text, step, roots, bare=False, known=known)

    def _bare(
        self, node: Node, step: Step | None, *, roots: frozenset[str], functions: frozenset[str] = frozenset()
    ) -> None:
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
            self._one(node, node.value, step, roots, bare=True, functions=functions)

    def _one(
        self,
        node: Scalar,
        text: str,
        step: Step | None,
        roots: frozenset[str],
        *,
        bare: bool,
        functions: frozenset[str] = frozenset(),
        known: Mapping[str, frozenset[str]] = {},
    ) -> None:
        try:
            found = names(text, bare=bare)
        except ExpressionError as error:
            help = error.hint or "docs/expressions.md says what an expression may hold"
            self._add("expression", error.fact, node, error.offset, help)
            return
        texts.check_compared(self.whole, self.spec, node, text, self.trouble, bare=bare)
        for path in found:
            name = str(path[0])
            if name in functions or name in FUNCTIONS:
                continue
            offset = max(0, text.find(".".join(map(str, path))))
            if name not in roots:
                help = did_you_mean(name, roots)
                if name == "secrets":
                    help = "a secret is for run, command, with, http and env only"
                self._add("unknown-name", f"there is no `{name}` here", node, offset, help)
            elif name == "item" and (step is None or step.foreach is None):
                help = "`item` is the value of an instance: add foreach: [a, b] to the step"
                self._add("unknown-name", "there is no `item` here", node, offset, help)
            else:
                self._path(path, node, offset, step, known)

    def _path(
        self,
        path: tuple[Any, ...],
        node: Scalar,
        offset: int,
        step: Step | None,
        other: Mapping[str, frozenset[str]],
    ) -> None:
        root, rest = str(path[0]), [str(part) for part in path[1:]]
        if not rest:
            return
        known: Mapping[str, Iterable[str]] = {
            "vars": self.whole.vars,
            "params": [param.name for param in self.spec.params],
            "secrets": self.secrets,
            "run": _RUN,
            "job": _JOB,
            "trigger": _TRIGGER,
            "steps": self.steps,
            **other,
        }
        if root in known:
            found = list(known[root])
            if rest[0] not in found:
                word = {"vars": "var", "params": "parameter", "secrets": "secret", "steps": "step"}.get(
                    root, "value"
                )
                fact = (
                    f"there is no {word} `{rest[0]}`" if word != "value" else f"`{root}` has no `{rest[0]}`"
                )
                self._add(
                    f"unknown-{word}", fact, node, offset, did_you_mean(rest[0], found) or _declare(root)
                )
                return
        if root == "matrix":
            axes = set(self.whole.matrix) | set(step.foreach.matrix or () if step and step.foreach else ())
            if rest[0] not in axes:
                self._add(
                    "unknown-name",
                    f"there is no matrix value `{rest[0]}`",
                    node,
                    offset,
                    did_you_mean(rest[0], axes),
                )
        if root == "steps":
            self._step_name(rest, node, offset, step)

    def _step_name(self, rest: list[str], node: Scalar, offset: int, step: Step | None) -> None:
        wanted = self.steps[rest[0]]
        if step is not None and wanted.id not in self._before(step):
            fact = f"step `{wanted.id}` is not over when `{step.id}` starts"
            help = (
                f"add it: needs: [{wanted.id}]"
                if wanted.id != step.id
                else "a step cannot read its own outputs"
            )
            self._add("order", fact, node, offset, help)
        if len(rest) > 2 and rest[1] == "outputs" and not may_have(wanted, rest[2]):
            # A script may make up the name of its output as it runs.
            level: Literal["error", "warning"] = "error" if isinstance(wanted.work, Http) else "warning"
            fact = f"step `{wanted.id}` has no output `{rest[2]}`"
            place, help = place_of(node, offset), _output_help(wanted, rest[2])
            self.trouble.add("unknown-output", fact, place, help=help, level=level)
        elif len(rest) > 1 and rest[1] not in ("outputs", "status", "exit_code", "instances"):
            self._add(
                "unknown-name",
                f"a step has no `{rest[1]}`",
                node,
                offset,
                f"did you mean steps.{wanted.id}.outputs.{rest[1]}?",
            )

    def _before(self, step: Step) -> set[str]:
        found: set[str] = set()
        waiting = list(step.needs)
        while waiting:
            id = waiting.pop()
            if id not in found and id in self.steps:
                found.add(id)
                waiting += self.steps[id].needs
        return found

    def _add(self, kind: str, fact: str, node: Scalar, offset: int, help: str) -> None:
        self.trouble.add(kind, fact, place_of(node, offset), help=help, key=f"jobs.{self.whole.id}")


def may_have(step: Step, name: str) -> bool:
    """Whether an output is declared, or may come about where nobody can know before."""
    if name in step.outputs:
        return True
    match step.work:
        case Http():
            return name in _HTTP_OUTPUTS
        case Command(script=str() as script):
            # A script that calls others may write outputs there; one that never names the file cannot by itself.
            return "RUNNER_OUTPUT" not in script or f"{name}=" in script or f"{name}<<" in script
        case Call() | Command():
            return True


def _output_help(step: Step, name: str) -> str:
    if isinstance(step.work, Http):
        return did_you_mean(name, _HTTP_OUTPUTS)
    return f'write it: echo "{name}=..." >> "$RUNNER_OUTPUT"'


def _declare(root: str) -> str:
    return f"declare it under `{root}:`" if root in ("vars", "params", "secrets") else ""


def _quietly(value: Any) -> list[tuple[str | int, ...]]:
    """The names of a text whose mistakes are somebody else's business."""
    try:
        return names(value) if isinstance(value, str) else []
    except ExpressionError:
        return []


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Map):
        for child in node.nodes.values():
            yield from _scalars(child)
    else:
        for child in node.nodes:
            yield from _scalars(child)


def _rules(node: Node) -> Iterator[Map]:
    if isinstance(node, Map):
        if "to" in node.nodes:
            yield node
        for child in node.nodes.values():
            yield from _rules(child)
    elif isinstance(node, Seq):
        for child in node.nodes:
            yield from _rules(child)
