"""`runner schema`: the JSON Schema, and what stands at a place of the file, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from runner.config import words
from runner.config.node import Source
from runner.config.order import JOB_KEYS, STEP_KEYS
from runner.config.samples import EXAMPLES
from runner.config.schema import schema
from runner.config.text import parse
from tests.cli.verb_place import Place

RETRY = """\
jobs.*.retry
  How often a failed step is tried again.

  type     a whole number, at least 0, or a mapping
  default  0
  example  retry: {max: 5, delay: 10s, backoff: 2, max_delay: 5m}

  max         how many times it is tried again (needed)
  delay       wait before the first retry [0s]
  backoff     each further wait is this many times the one before [1.0]
  max_delay   no wait is longer than this
  jitter      each wait is moved by up to this share of itself [0.0]
  exit_codes  only these exit codes are tried again

  More: runner schema 'jobs.*.retry.max'
"""

TIMEOUT = """\
jobs.etl.timeout
  Stop it, and all it started, after this.

  type     a length of time: 90s, 15m, 1h30m, 2d
  default  none
  example  timeout: 90s
  example  timeout: 15m
  example  timeout: 1h30m
"""


def test_a_mapping_with_its_keys(place: Place) -> None:
    assert place.call("schema", "jobs.*.retry").stdout == RETRY


def test_a_single_value(place: Place) -> None:
    assert place.call("schema", "jobs.etl.timeout").stdout == TIMEOUT


def test_names_items_and_short_ways_lead_to_the_same(place: Place) -> None:
    def without_path(path: str) -> str:
        return place.call("schema", path).stdout.partition("\n")[2].partition("  More")[0]

    assert without_path("jobs.retry") == without_path("jobs.*.retry") == without_path("jobs.a-job.retry")
    assert without_path("jobs.*.steps[0].run") == without_path("jobs.*.steps.run")
    assert without_path("defaults.notify.on_failure.to") == without_path("jobs.*.notify.on_failure.to")


def test_every_place_has_words() -> None:
    root = schema()
    seen = 0
    for path in _paths(root, (), root):
        said = words.describe(".".join(path))
        lines = said.splitlines()
        assert lines[0] == ".".join(path)
        assert "  type     " in said, path
        assert all(len(line) <= 80 for line in lines if " " in line.strip()), said
        assert "any value" not in said or path[-1] in ANYTHING, said
        seen += 1
    assert seen > 300


def _paths(node: Any, path: tuple[str, ...], root: Any) -> Iterator[tuple[str, ...]]:
    if path:
        yield path
    if len(path) > 6:
        return
    own, chosen = dict(words._keys(node, root)), list(words._chosen(node, root))
    for key, child in own.items():
        yield from _paths(child, (*path, key), root)
    if chosen and not own:
        yield from _paths(chosen[0], (*path, words.NAME), root)


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_the_examples_fit_the_schema(example: str) -> None:
    node = parse(example, Source("x", example))
    assert node is not None
    assert isinstance(node.value, dict)
    ((key, value),) = node.value.items()
    run = {} if key in ("http", "steps") else {"python": "a:b"} if key == "with" else {"run": "x"}
    whole: dict[str, Any] = {"jobs": {"a": run}}
    if key in schema()["properties"] and key != "env":
        whole[key] = value
    elif key in JOB_KEYS:
        whole["jobs"]["a"] |= {key: value, "schedule": "every 5m"}
    else:
        assert key in STEP_KEYS
        whole["jobs"]["a"] = {"steps": [{**run, key: value}]}
    jsonschema.Draft202012Validator(schema()).validate(whole)


ANYTHING = ("json", "with", "default", "options", "vars", "params", "matrix", "foreach", "outputs", "*")

WRONG = [
    ("jobs.*.rety", "jobs.* has no key 'rety'", "did you mean retry?"),
    ("jobs.rety", "jobs has no key 'rety'", "did you mean retry?"),
    ("chanels", "the file has no key 'chanels'", "did you mean channels?"),
    (
        "jobs.*.retry.max.more",
        "jobs.*.retry.max has no key 'more'",
        "jobs.*.retry.max is a whole number, 0 to 1000",
    ),
    (
        "jobs.*.sla.zzz",
        "jobs.*.sla has no key 'zzz'",
        "there are: finish_by, max_duration, start_within, success_every",
    ),
]


@pytest.mark.parametrize(("path", "fact", "hint"), WRONG, ids=[case[0] for case in WRONG])
def test_what_is_not_there(path: str, fact: str, hint: str, place: Place) -> None:
    assert place.call("schema", path, code=5).stderr == f"runner: {fact}\n  help: {hint}\n"


def test_the_whole_of_it_is_a_schema(place: Place) -> None:
    found = json.loads(place.call("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found == schema()
    assert place.call("schema", "jobs.*.retry", "--json").json["text"] + "\n" == RETRY
