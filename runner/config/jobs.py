"""From a definition under `jobs:` to specifications: merged, read, checked, lowered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.config import names
from runner.config.diagnose import Trouble
from runner.config.document import ID, JobModel
from runner.config.files import Document
from runner.config.lower import job_spec
from runner.config.merge import UNREAD, Whole, extended, merge, whole_jobs
from runner.config.node import Map, Node, Scalar, Seq, kind_of
from runner.config.salvage import independent, sound
from runner.config.shape import checked
from runner.config.spot import Known
from runner.spec import JobSpec


@dataclass(frozen=True, slots=True)
class Shared:
    """What every job depends on beside its own text."""

    templates: Mapping[str, Map]
    vars: Map | None
    env: Mapping[str, Any]
    secrets: Mapping[str, Any]
    known: Known


def defaults_of(document: Document) -> Map | None:
    """The defaults that hold for a file's jobs: its own on top of those of the files that include it."""
    own = document.root.nodes.get("defaults")
    defaults: Map | None = None
    for each in [*document.outer, *([own] if isinstance(own, Map) else [])]:
        defaults = each if defaults is None else merge(defaults, each)
    return defaults


def definitions(jobs: Node | None, trouble: Trouble) -> Iterator[tuple[str, Map]]:
    """Each definition below `jobs:`, by id; what cannot be one is a problem."""
    if not isinstance(jobs, Map):
        return
    for id, node in jobs.nodes.items():
        if id.startswith("x-"):
            continue
        at = jobs.keys[id]
        if re.match(ID, id) is None:
            trouble.add("name", f"{id!r} cannot be the id of a job", at, length=len(id), help=_id_help(id))
        if not isinstance(node, Map):
            help = _work_help(node.value)
            fact = f"the job {id!r} is {kind_of(node.value)}, not a mapping"
            trouble.add("type", fact, at, length=len(id), help=help)
        else:
            # A message about the whole job points at its id.
            node.at = at
            yield id, node


def _work_help(value: object) -> str:
    """`run:x` is a text: a colon alone makes no key."""
    if value is None:
        return "write `run: ...` below it"
    text = str(value)
    if text.startswith(("http://", "https://")):
        return f"did you mean `http: {{get: {text}}}`?"
    key, colon, rest = text.partition(":")
    if colon and key in JobModel.model_fields:
        apart = rest[:1].isspace()
        return f"write `{text}` below it, without quotes" if apart else f"a space is missing: `{key}: {rest}`"
    return f"did you mean `run: {text}`?"


def _id_help(id: str) -> str:
    if len(id) > 200:
        return "at most 200 characters"
    near = re.sub(r"[^a-z0-9_.-]+", "-", id.lower()).strip("_.-")
    rule = "lower case letters, digits and _ . -, beginning with a letter or digit"
    return f"{rule}, such as {near}" if near else rule


def _missing_values(whole: Whole, trouble: Trouble) -> None:
    """A key without a value says nothing; whoever wrote it meant something."""
    steps = whole.node.nodes.get("steps")
    for level in (whole.node, *(steps.nodes if isinstance(steps, Seq) else ())):
        for name, node in level.nodes.items() if isinstance(level, Map) else ():
            if isinstance(node, Scalar) and node.value is None and node is not UNREAD:
                trouble.add("missing", f"`{name}` has no value", level.keys[name], length=len(name),
                            help="write one, or take the line out", key=f"jobs.{whole.id}.{name}")  # fmt: skip


def specs_of(
    id: str,
    node: Map,
    defaults: Map | None,
    shared: Shared,
    trouble: Trouble,
    broken: list[tuple[Whole, JobSpec]] | None = None,
) -> list[tuple[Whole, JobSpec]]:
    """The jobs a definition stands for; those with mistakes are left out, and the mistakes noted.

    `broken` takes what can be told of those: of use only for finding more mistakes.
    """
    broken = [] if broken is None else broken
    job = extended(node, shared.templates, trouble)
    if job is None:
        return []
    if defaults is not None:
        job = merge(defaults, job)
    found = []
    for whole in whole_jobs(id, job, shared.vars, shared.env, trouble):
        before = len(trouble.problems)
        _missing_values(whole, trouble)
        model = checked(JobModel, whole.node, trouble, ("jobs", whole.id))
        if model is None:
            broken += _go_on(whole, shared, trouble)
            continue
        spec = job_spec(whole, model, shared.known, trouble)
        names.check(whole, spec, shared.secrets, trouble)
        if not any(problem.level == "error" for problem in trouble.problems[before:]):
            found.append((whole, spec))
        else:
            broken.append((whole, spec))
    return found


def _go_on(whole: Whole, shared: Shared, trouble: Trouble) -> list[tuple[Whole, JobSpec]]:
    """Note what else is wrong with a job whose shape is; the job as far as it is sound."""
    rest = sound(JobModel, whole.node)
    if rest is None:
        return []
    model, node, taken = rest
    left = replace(whole, node=node)
    more = Trouble()
    spec = job_spec(left, model, shared.known, more)
    names.check(left, spec, shared.secrets, more)
    trouble.problems += independent(more.problems, node, taken)
    return [(left, spec)]
