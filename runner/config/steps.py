"""The steps of a job: what is done, in which order, within which bounds."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from runner.config.diagnose import did_you_mean
from runner.config.document import StepModel, Work
from runner.config.merge import place_of
from runner.config.rings import first_ring
from runner.config.spot import Spot
from runner.errors import ExpressionError
from runner.expressions import check_command, has_expression, lift, refuse
from runner.spec import (
    Call,
    Command,
    Foreach,
    Http,
    Limits,
    Retry,
    Step,
    Success,
)
from runner.spec.step import EMPTY
from runner.spec.step import Work as SpecWork

SHELLS: Mapping[str, tuple[str, ...]] = {
    "sh": ("sh", "-e"),
    "bash": ("bash", "-eo", "pipefail"),
    "python": ("python3",),
    **{name: (name, "-e") for name in ("dash", "ash", "ksh", "zsh")},
}
"""What a shell's bare name stands for: a script ends at the first command that fails."""
ONLY_STEP = "main"
"""The id of the step of a job that has no `steps`."""

_SUCCESS = Success()
_WORK = ("run", "command", "python", "http")
_SCHEMES = ("http://", "https://")
_SCHEME = re.compile(r"^([a-z]+:)?/+", re.I)


class Steps:
    """Lowers the steps of one job; what is wrong with them is noted at its place."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot

    def all(self) -> tuple[Step, ...]:
        model = self.spot.model
        if model.steps is None:
            return (self._only_step(),)
        for word in _WORK:
            if getattr(model, word) is not None:
                self.spot.add(
                    "conflict",
                    f"a job has either `{word}` or `steps`",
                    self.spot.at(word),
                    help=f"make `{word}` a step",
                )
        steps: list[Step] = []
        seen: dict[str, int] = {}
        ids = [each.id or f"step{number}" for number, each in enumerate(model.steps, 1)]
        for number, (id, each) in enumerate(zip(ids, model.steps, strict=True)):
            if id in seen:
                self.spot.add(
                    "duplicate",
                    f"two steps are called {id!r}",
                    self.spot.at("steps", number, "id"),
                    help="rename one",
                )
            seen[id] = number
            needs = tuple(each.needs) if each.needs is not None else ((ids[number - 1],) if number else ())
            for need in needs:
                if need not in ids:
                    self.spot.add(
                        "unknown-step",
                        f"there is no step {need!r}",
                        self.spot.at("steps", number, "needs"),
                        help=did_you_mean(need, ids),
                    )
            steps.append(self._step(id, each, needs, ("steps", number)))
        if len(seen) == len(steps):
            self._find_cycle(steps)
        return tuple(steps)

    def _only_step(self) -> Step:
        model = self.spot.model
        return Step(
            ONLY_STEP,
            self._work(model, model, ()),
            retry=self.spot.one(_retry(model)),
            outputs=model.outputs or EMPTY,
            artifacts=tuple(model.artifacts.paths) if model.artifacts else (),
            artifacts_for=model.artifacts.expire_in if model.artifacts else None,
        )

    def _step(self, id: str, model: StepModel, needs: tuple[str, ...], path: tuple[str | int, ...]) -> Step:
        foreach = None
        if model.foreach is not None and model.matrix is not None:
            self.spot.add(
                "conflict",
                "a step has either `foreach` or `matrix`",
                self.spot.at(*path, "matrix"),
                help="keep one",
            )
        if model.foreach is not None or model.matrix is not None:
            items = model.foreach if isinstance(model.foreach, str) else tuple(model.foreach or ())
            # Where a failure is no failure, it is no reason to stop the others, unless somebody says so.
            fast = model.fail_fast if model.fail_fast is not None else not model.continue_on_error
            foreach = Foreach(
                items if model.foreach is not None else None, model.matrix, model.max_parallel, fast
            )
        else:
            for word in ("max_parallel", "fail_fast"):
                if getattr(model, word) is not None:
                    self.spot.add("conflict", f"`{word}` bounds the instances of a step, and there is one",
                              self.spot.at(*path, word), help="add `foreach` or `matrix`, or take it out")  # fmt: skip
        self.spot.named("executor", model.executor, self.spot.known.executors, *path)
        self.spot.named("group", model.group, self.spot.known.groups, *path)
        return Step(
            id,
            self._work(model, self.spot.model, path),
            needs,
            model.name or "",
            model.if_,
            self.spot.one(_retry(model, self.spot.model)),
            model.timeout,
            model.executor,
            model.env or EMPTY,
            model.outputs or EMPTY,
            foreach,
            bool(model.continue_on_error),
            model.group,
            tuple(model.artifacts.paths) if model.artifacts else (),
            model.artifacts.expire_in if model.artifacts else None,
        )

    def _work(self, model: Work, outer: Work, path: tuple[str | int, ...]) -> SpecWork:
        """What is done: exactly one of `run`, `command`, `python` and `http`."""
        given = [word for word in _WORK if getattr(model, word) is not None]
        if len(given) != 1:
            if given:
                self.spot.add(
                    "conflict",
                    f"`{given[0]}` and `{given[1]}` stand side by side",
                    self.spot.at(*path, given[1]),
                    help="keep one",
                )
            else:
                where = self.spot.node(*path).at
                name = (
                    f"step {path[-1] + 1}"
                    if path and isinstance(path[-1], int)
                    else f"job {self.spot.whole.id!r}"
                )
                self.spot.add(
                    "missing",
                    f"{name} has nothing to run",
                    where,
                    help="add `run: echo hello`, or command, python, http",
                )
            return Command(script="")
        directory = _either(model, outer, "working_dir")
        if model.with_ is not None and model.python is None:
            self.spot.add("conflict", "`with` hands arguments to a `python` step", self.spot.at(*path, "with"),
                      help="use env for commands, params for runs")  # fmt: skip
        if model.python is not None:
            return self._call(model, directory, path)
        if model.http is not None:
            return self._http(model, path)
        return self._command(model, outer, directory, path)

    def _command(
        self, model: Work, outer: Work, directory: str | None, path: tuple[str | int, ...]
    ) -> Command:
        named = _either(model, outer, "shell") or ["sh"]
        shell = SHELLS.get(named[0], (named[0],)) if len(named) == 1 else tuple(named)
        if model.run is not None:
            self._check_script(model.run, named, path)
        elif model.command is not None and not model.command:
            self.spot.add(
                "missing",
                "the command is empty",
                self.spot.at(*path, "command"),
                help="write [program, argument]",
            )
        elif model.command is not None:
            self._check_command(model.command, path)
        success, limits = _either(model, outer, "success"), _either(model, outer, "limits")
        grace = _either(model, outer, "stop_grace_period")
        self._check_stop(model, path)
        return Command(
            model.run,
            tuple(model.command) if model.command is not None else None,
            shell,
            directory,
            _either(model, outer, "user"),
            _either(model, outer, "stop_signal") or "SIGTERM",
            10_000_000 if grace is None else grace,
            _SUCCESS
            if success is None
            else self.spot.one(Success(tuple(success.exit_codes), success.fail_on_output)),
            Limits(limits.cpus, limits.memory, limits.pids) if limits is not None else None,
            bool(_either(model, outer, "clean_env")),
        )

    def _check_stop(self, model: Work, path: tuple[str | int, ...]) -> None:
        for level, where in ((model, path), (self.spot.model, ())):
            if level.success is not None and level.success.fail_on_output is not None:
                self.spot.regex(level.success.fail_on_output, *where, "success", "fail_on_output")
            name = level.stop_signal
            if name is not None and name not in signal.Signals.__members__:
                help = did_you_mean(
                    name, ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL")
                )
                self.spot.add(
                    "value", f"there is no signal {name}", self.spot.at(*where, "stop_signal"), help=help
                )

    def _check_script(self, script: str, shell: list[str], path: tuple[str | int, ...]) -> None:
        if not script.strip():
            self.spot.add(
                "missing", "`run` is empty", self.spot.at(*path, "run"), help="write run: echo hello"
            )
            return
        if not has_expression(script):
            return
        node = self.spot.node(*path, "run")
        program = shell[0].rsplit("/", 1)[-1]
        try:
            if program in ("sh", "dash", "bash", "ash", "ksh", "zsh"):
                for warning in lift(script, "bash" if program in ("bash", "zsh", "ksh") else "sh").warnings:
                    self.spot.trouble.add(
                        "injection", warning, node.at, level="warning", help="hand it over by env"
                    )
            else:
                refuse(script, program)
        except ExpressionError as error:
            self.spot.add("expression", error.fact, place_of(node, error.offset), help=error.hint)

    def _check_command(self, command: list[str], path: tuple[str | int, ...]) -> None:
        wrong = check_command(command)
        if wrong is not None:
            index, error = wrong
            place = place_of(self.spot.node(*path, "command", index), error.offset)
            self.spot.add("expression", error.fact, place, help=error.hint)

    def _call(self, model: Work, directory: str | None, path: tuple[str | int, ...]) -> Call:
        target = model.python or ""
        module, colon, name = target.partition(":")
        if not (colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])):
            self.spot.add(
                "value",
                f"{target!r} does not name a function",
                self.spot.at(*path, "python"),
                help="write package.module:function",
            )
        values = model.with_ or {}
        return Call(target, kwargs=values, rendered=_any_expression(values), working_dir=directory)

    def _http(self, model: Work, path: tuple[str | int, ...]) -> Http:
        http = model.http
        assert http is not None
        requests = http.request()
        if len(requests) != 1:
            self.spot.add("value", "an http step has exactly one method with its URL", self.spot.at(*path, "http"),
                      help="write http: {get: https://example.com/health}")  # fmt: skip
            return Http("GET", "")
        method, url = requests[0]
        if not _may_be_url(url):
            self.spot.add("value", f"{url!r} is not a URL", self.spot.at(*path, "http", method),
                      help=f"write https://{_SCHEME.sub('', url) or 'example.com/health'}")  # fmt: skip
        return Http(
            method.upper(), url, dict(http.headers), http.json_, http.body, tuple(http.expect), http.timeout
        )

    def _find_cycle(self, steps: list[Step]) -> None:
        ring = first_ring({step.id: step.needs for step in steps})
        if ring:
            shown = ring if len(ring) <= 10 else [*ring[:5], "...", *ring[-4:]]
            fact = f"steps need each other: {' -> '.join(shown)}"
            self.spot.add("cycle", fact, self.spot.at("steps"), help="take one `needs` out")


def _either(model: Work, outer: Work, name: str) -> Any:
    value = getattr(model, name)
    return value if value is not None else getattr(outer, name)


def _retry(model: Work, outer: Work | None = None) -> Retry:
    found = model.retry if model.retry is not None or outer is None else outer.retry
    if found is None:
        return Retry()
    codes = tuple(found.exit_codes) if found.exit_codes is not None else None
    return Retry(found.max, found.delay, found.backoff, found.max_delay, found.jitter, codes)


def _any_expression(value: Any) -> bool:
    if isinstance(value, str):
        return has_expression(value)
    if isinstance(value, dict):
        return any(_any_expression(item) for item in value.values())
    return isinstance(value, list) and any(_any_expression(item) for item in value)


def _may_be_url(text: str) -> bool:
    """Whether it is one of HTTP, as far as that is known before its expressions are."""
    plain, expression, _ = text.lower().partition("${{")
    return plain.startswith(_SCHEMES) or (bool(expression) and any(one.startswith(plain) for one in _SCHEMES))
