"""What a shell completes: the ids of the jobs in the file, read without the weight of a whole load."""

from __future__ import annotations

import glob
import os

import click

_MOST = 200
"""Included files that are looked into."""


def jobs(context: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    """The ids that begin as typed; nothing where the file cannot be read."""
    given = context.params.get("file") or os.environ.get("RUNNER_FILE") or "jobs.yaml"
    waiting = str(given).split(os.pathsep)
    seen: set[str] = set()
    found: dict[str, None] = {}
    while waiting and len(seen) < _MOST:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        if os.path.isdir(path):
            waiting += sorted(glob.glob(f"{glob.escape(path)}/*.y*ml"))
            continue
        ids, included = _read(path)
        found |= dict.fromkeys(ids)
        for pattern in included:
            waiting += sorted(glob.glob(os.path.join(os.path.dirname(path), pattern), recursive=True))
    return [id for id in found if id.startswith(typed)]


def _read(path: str) -> tuple[list[str], list[str]]:
    """The ids under `jobs:` and the patterns under `include:`."""
    import yaml

    try:
        with open(path, "rb") as file:
            root = yaml.compose(file, Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return [], []
    sections = {key.value: value for key, value in root.value} if isinstance(root, yaml.MappingNode) else {}
    jobs, include = sections.get("jobs"), sections.get("include")
    ids = [key.value for key, _ in jobs.value] if isinstance(jobs, yaml.MappingNode) else []
    if isinstance(include, yaml.SequenceNode):
        return ids, [each.value for each in include.value if isinstance(each, yaml.ScalarNode)]
    return ids, [include.value] if isinstance(include, yaml.ScalarNode) else []
