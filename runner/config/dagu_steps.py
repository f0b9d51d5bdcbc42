"""The steps of a workflow of Dagu's in our words: their order, conditions, outputs and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.config.dagu_words import NAME, Words, double_quoted, mentions, snake
from runner.config.dagu_work import kind_of, listed, work
from runner.config.taken import NOT_UNDERSTOOD, literal, quoted, seconds, truth

_HANDLERS = (
    ("success", "success()"),
    ("failure", "failure()"),
    ("cancel", "cancelled()"),
    ("abort", "cancelled()"),
    ("exit", "always()"),
)
MAIL = "name a channel (`mailto://...`) below `channels`, and `notify: {on_failure: CHANNEL}`"
_WORK = (
    "command",
    "cmd",
    "args",
    "script",
    "run",
    "call",
    "executor",
    "type",
    "config",
    "action",
    "with",
    "shell",
)
_NEEDLESS = {"id", "name", "stdout", "stderr", "log_output", "mail_on_error", "output_key", "shell_packages"}


@dataclass(slots=True)
class Made:
    """One step. `guards`: expressions that must hold for it, and for what needs it."""

    id: str
    ours: dict[str, Any] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    carries_on: bool = False
    """Whether what needs it runs although it was skipped."""
    output: str = ""
    """The variable that holds what it printed."""
    ask: str = ""
    """What `if` asks about the steps before."""
    gives: str = ""
    """The guard of those that need it: it looks at a condition."""
    guard: Made | None = None
    """The step before it that looks at its condition."""


@dataclass(slots=True)
class Graph:
    """The steps in the order they are written, and all their text."""

    steps: list[Made] = field(default_factory=list)
    ordered: bool = True
    """Whether they run in the order they are written."""
    whole: list[str] = field(default_factory=list)
    """What must hold for each of them: the conditions of the workflow."""
    text: str = ""

    def as_job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Keys for a job that has these already: one plain step needs no `steps`."""
        steps = [dict(step.ours) for step in self.steps]
        only = {key: value for key, value in steps[0].items() if key not in ("id", "name", "needs")}
        if len(steps) > 1 or only.keys() & {*job, "if", "continue_on_error"}:
            return {"steps": steps}
        return only


def graph(given: Mapping[str, Any], words: Words, workflows: Collection[str]) -> Graph:
    """All steps: guards of the workflow first, handlers last."""
    layers = [*_layers(given["steps"])]
    items = [item for layer in layers for item in layer]
    defaults = {snake(key): value for key, value in (given.get("defaults") or {}).items()}
    shell = {"shell": given["shell"]} if given.get("shell") else {}
    found = Graph()
    reader = _Reader(words, workflows, {**shell, **defaults}, found)
    reader.name_all(items)
    by_needs = given.get("type") == "graph" or (
        given.get("type") != "chain" and any("depends" in item for item in items)
    )
    if not by_needs and given.get("type") != "chain" and len(items) > 1 and len(layers) > 1:
        words.notes.append(
            "releases of Dagu differ on steps without `depends`: here they run in the order they are written; "
            "`needs: []` lets a step start at once"
        )
    found.ordered = not by_needs and all(len(layer) == 1 for layer in layers)
    first = reader.first(given)
    before = [step.id for step in first]
    found.steps += first
    found.whole = [each.gives for each in first if each.gives]
    for layer in layers:
        made = [reader.step(item) for item in layer]
        for step, item in zip(made, layer, strict=True):
            step.needs = reader.needs(item) or [each.id for each in first] if by_needs else list(before)
            if step.guard is not None:
                step.guard.needs = list(step.needs)
                step.needs.append(step.guard.id)
                found.steps.append(step.guard)
            found.steps.append(step)
        before = [step.id for step in made]
    handlers = {snake(key): value for key, value in (given.get("handler_on") or {}).items()}
    if handlers and not by_needs and not found.ordered:
        found.ordered = False
    for key, ask in _HANDLERS:
        given_step = handlers.get(key)
        if isinstance(given_step, dict) and kind_of(given_step)[0] in ("mail", "mail.send"):
            words.notes.append(f"`handler_on.{key}` sends mail: {MAIL}")
        elif isinstance(given_step, dict):
            step = reader.step({snake(k): v for k, v in given_step.items()} | {"id": f"on_{key}"})
            step.needs, step.ask = [each.id for each in found.steps], ask
            step.guards = list(found.whole)
            found.steps.append(step)
    _join(found, words)
    return found


def _layers(steps: Any) -> Iterator[list[dict[str, Any]]]:
    """Steps that follow each other; those of a list within the list start together."""
    if isinstance(steps, dict):
        steps = [{"name": name, **(step or {})} for name, step in steps.items()]
    for step in steps:
        group = step if isinstance(step, list) else [step]
        yield [
            {snake(key): value for key, value in each.items()}
            if isinstance(each, dict)
            else {"command": each}
            for each in group
        ]


def _join(graph: Graph, words: Words) -> None:
    """What depends on the others: order, conditions, and the outputs they read."""
    by_id = {step.id: step for step in graph.steps}
    before: dict[str, set[str]] = {}
    for step in graph.steps:
        ours = step.ours
        before[step.id] = {*step.needs}.union(*(before[each] for each in step.needs))
        if not step.ask:
            for each in step.needs:
                other = by_id[each]
                passed = [it for it in other.guards if it in graph.whole or not other.carries_on]
                step.guards += [it for it in (*passed, other.gives) if it and it not in step.guards]
        conditions = [*([step.ask] if step.ask else []), *step.guards]
        if conditions:
            ours["if"] = " and ".join(conditions)
        if not graph.ordered or step.ask:
            ours["needs"] = step.needs
        body = quoted(ours)
        outputs: dict[str, str] = {}
        for other in graph.steps:
            if other.output and mentions(body, other.output) and other is not step:
                if other.id not in before[step.id]:
                    words.miss(
                        f"${other.output}",
                        f"{step.id} reads what {other.id} prints, but does not wait for it",
                    )
                    continue
                outputs[other.output] = f"${{{{ steps.{other.id}.outputs.{other.output} | default('') }}}}"
        if outputs and "http" not in ours:
            ours["env"] = {**ours.get("env", {}), **outputs}
        step.ours = {key: ours[key] for key in ("id", "name", "needs", "if") if key in ours} | ours


class _Reader:
    """Reads steps; knows the names that others call them by."""

    def __init__(
        self, words: Words, workflows: Collection[str], defaults: Mapping[str, Any], graph: Graph
    ) -> None:
        self._words = words
        self._workflows = workflows
        self._defaults = defaults
        self._graph = graph
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def name_all(self, items: list[dict[str, Any]]) -> None:
        for number, item in enumerate(items, 1):
            given = str(item.get("id") or item.get("name") or f"step_{number}")
            id = self._free(given)
            item["_id"] = id
            for each in (given, str(item.get("name") or ""), str(item.get("id") or "")):
                if each:
                    self._ids.setdefault(each, id)

    def _free(self, name: str) -> str:
        base = re.sub(r"\W", "_", name, flags=re.ASCII) or "step"
        base = base if NAME.fullmatch(base) else f"_{base}"
        id, count = base, 1
        while id in self._taken:
            count += 1
            id = f"{base}_{count}"
        self._taken.add(id)
        return id

    def needs(self, item: Mapping[str, Any]) -> list[str]:
        given = item.get("depends") or []
        found: list[str] = []
        for each in [given] if isinstance(given, str) else given:
            if each in self._ids:
                found.append(self._ids[each])
            else:
                self._words.miss(f"depends: {each}", "there is no such step")
        return found

    def first(self, given: Mapping[str, Any]) -> list[Made]:
        """What comes before all steps: the workflow's conditions and what prepares it."""
        found: list[Made] = []
        conditions = listed(given.get("preconditions") or given.get("precondition") or [])
        if conditions:
            guard = self._guard("workflow", conditions)
            found.append(guard)
        handlers = {snake(key): value for key, value in (given.get("handler_on") or {}).items()}
        if isinstance(handlers.get("init"), dict):
            step = self.step({snake(k): v for k, v in handlers["init"].items()} | {"id": "on_init"})
            step.needs = [each.id for each in found]
            found.append(step)
        return found

    def step(self, item: Mapping[str, Any]) -> Made:
        """One step, without what joins it to others."""
        id = item.get("_id") or self._free(str(item["id"]))
        name = str(item.get("name") or item.get("id") or "")
        made = Made(id, {"id": id} | ({"name": name} if name and name != id else {}))
        given = {**{k: v for k, v in self._defaults.items() if k not in ("env", "preconditions")}, **item}
        both = (self._defaults.get("env"), item.get("env"))
        env = [pair for each in both for pair in self._words.variables(f"{id}.env", each)]
        exports = [
            f"export {name}={double_quoted(value)}" for name, value in env if "$" in value or "`" in value
        ]
        plain = {name: literal(value) for name, value in env if "$" not in value and "`" not in value}
        made.ours |= work(id, given, exports, self._words, self._workflows)
        if plain:
            made.ours["env"] = plain
        for key, value in given.items():
            if key in _WORK or key in _NEEDLESS or key.startswith("_") or value in ("", None, [], {}):
                continue
            try:
                self._key(made, key, value)
            except NOT_UNDERSTOOD:
                self._words.notes.append(
                    f"{id}: `{key}` is not understood, and not taken over: {quoted(value)}"
                )
        conditions = listed(given.get("preconditions") or given.get("precondition") or [])
        conditions += listed(self._defaults.get("preconditions") or []) if "preconditions" in item else []
        if conditions:
            made.guard = self._guard(id, conditions)
        self._graph.text += quoted({**made.ours, "_": exports})
        return made

    def _key(self, made: Made, key: str, value: Any) -> None:
        ours, words = made.ours, self._words
        match key:
            case "working_dir" | "dir":
                if words.plain(f"{made.id}.{key}", value):
                    ours["working_dir"] = literal(value)
            case "retry_policy":
                ours["retry"] = _retry(value)
            case "continue_on":
                self._continue_on(made, value)
            case "timeout_sec":
                if float(value):
                    ours["timeout"] = seconds(value)
            case "signal_on_stop":
                ours["stop_signal"] = value
            case "output":
                self._output(made, value)
            case (
                "description" | "depends" | "env" | "precondition" | "preconditions" | "params" | "shell_args"
            ):
                pass
            case "repeat_policy":
                words.miss(f"{made.id}.repeat_policy", "write the loop in its script")
            case "parallel":
                words.miss(f"{made.id}.parallel", "see `foreach`")
            case "container" | "approval" | "llm" | "messages" | "agent" | "routes":
                words.miss(f"{made.id}.{key}", "write a command that does it")
            case _:
                words.notes.append(f"{made.id}: `{key}` is not taken over")

    def _continue_on(self, made: Made, given: Any) -> None:
        if isinstance(given, str):
            made.carries_on = given == "skipped"
            if given == "failed":
                made.ours["continue_on_error"] = True
            return
        on = {snake(key): value for key, value in given.items()}
        made.carries_on = truth(on.get("skipped", ""))
        codes = [int(code) for code in listed(on.get("exit_code") or [])]
        if codes and truth(on.get("mark_success", "")):
            made.ours["success"] = {"exit_codes": sorted({0, *codes})}
        elif truth(on.get("failure", "")) or truth(on.get("failed", "")):
            made.ours["continue_on_error"] = True
        elif codes:
            made.ours["continue_on_error"] = True
            self._words.notes.append(f"{made.id}: it is continued after every exit code, not only {codes}")
        if on.get("output"):
            self._words.notes.append(f"{made.id}: `continue_on.output` is not taken over: see `success`")

    def _output(self, made: Made, given: Any) -> None:
        name = str(given.get("name", "") if isinstance(given, dict) else given).lstrip("$")
        if not NAME.fullmatch(name):
            self._words.miss(f"{made.id}.output", "write `outputs:` with expressions over `stdout`")
            return
        made.output = name
        made.ours["outputs"] = {name: "stdout | trim"}
        if re.search(rf"\$\{{{name}\.", self._graph.text):
            self._words.miss(f"${{{name}.}}", "write `outputs:` for what is picked out of it")

    def _guard(self, id: str, conditions: list[Any]) -> Made:
        """A step that says whether conditions are met, and never fails."""
        tests = [test for each in conditions if (test := self._test(id, each))]
        guard = Made(self._free(f"{id}_condition"))
        lines = [*self._words.prologue, " && ".join(tests) or "true"]
        guard.ours = {
            "id": guard.id,
            "run": literal("\n".join(lines) + "\n"),
            "success": {"exit_codes": [*range(256)] if self._bare(conditions) else [0, 1]},
            "outputs": {"met": "exit_code == 0"},
        }
        guard.gives = f"steps.{guard.id}.outputs.met"
        return guard

    def _bare(self, conditions: list[Any]) -> bool:
        """Whether one is a command, whose every exit code but 0 says no."""
        return any(not isinstance(each, dict) or not each.get("expected") for each in conditions)

    def _test(self, id: str, given: Any) -> str:
        if isinstance(given, str):
            given = {"condition": given}
        condition, expected = str(given.get("condition") or ""), str(given.get("expected") or "")
        if not condition:
            self._words.miss(f"{id}.preconditions", "write the test as a command")
            return ""
        if not expected:
            # On lines of its own: a comment at its end takes nothing along.
            test = f"{{\n{condition.strip()}\n}}"
        elif expected.startswith("re:"):
            test = f"printf '%s\\n' {_value(condition)} | grep -Eq -e {shlex.quote(expected[3:])}"
        else:
            test = f"[ {_value(condition)} = {shlex.quote(expected)} ]"
        return f"! {test}" if truth(given.get("negate", "")) else test


def _retry(given: Any) -> int | dict[str, Any]:
    if not isinstance(given, dict):
        return int(given)
    policy = {snake(key): value for key, value in given.items()}
    retry: dict[str, Any] = {"max": int(policy.get("limit", 0))}
    if policy.get("interval_sec"):
        retry["delay"] = seconds(policy["interval_sec"])
    backoff = policy.get("backoff", "")
    if backoff:
        retry["backoff"] = 2 if truth(backoff) and backoff != "1" else float(backoff)
    if policy.get("max_interval_sec"):
        retry["max_delay"] = seconds(policy["max_interval_sec"])
    codes = listed(policy.get("exit_code") or policy.get("exit_codes") or [])
    if codes:
        retry["exit_codes"] = [int(code) for code in codes]
    return retry


def _value(text: str) -> str:
    """A condition's text as one word, with what is between backquotes as it is."""
    return '"' + re.sub(r'(`[^`]*`)|(["\\])', lambda m: m[1] or "\\" + m[2], text) + '"'
