"""What the language says of steps, run for real by `runner run`: instances, conditions, outputs, bounds, refusals."""

from __future__ import annotations

import json
import os
import textwrap
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.process.conftest import Desk


def run(desk: Desk, text: str, *args: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A file of one job `j`, run; its record, and the status of each step."""
    desk.write("jobs:\n  j:\n" + textwrap.indent(textwrap.dedent(text), "    "))
    desk.runner("run", "j", *args, check=False)
    (found,) = json.loads(desk.runner("history", "--json", "-n", "1").stdout)["runs"]
    return found, {step["id"]: step["status"] for step in found["steps"]}


def test_needs_make_a_graph_and_if_asks_about_it(desk: Desk) -> None:
    record, steps = run(
        desk,
        """\
        steps:
          - {id: a, run: "exit 3"}
          - {id: b, run: echo}
          - {id: c, needs: [], run: echo}
          - {id: d, needs: [a, c], if: failure(), run: echo}
          - {id: e, needs: [a, c], if: success(), run: echo}
          - {id: f, needs: [b, d, e], if: "always() and steps.a.exit_code == 3", run: echo}
          - {id: g, needs: [c], if: cancelled(), run: echo}
        """,
    )
    assert record["status"] == "failed"
    good, skipped = "succeeded", "skipped"
    assert steps == {"a": "failed", "b": skipped, "c": good, "d": good, "e": skipped, "f": good, "g": skipped}


def test_instances_over_values_and_outputs(desk: Desk) -> None:
    record, steps = run(
        desk,
        """\
        vars: {regions: [eu, us]}
        steps:
          - id: find
            run: |
              echo 'names=["x y", "z"]' >> "$RUNNER_OUTPUT"
              printf 'text<<END\\none\\ntwo\\nEND\\n' >> "$RUNNER_OUTPUT"
          - id: each
            foreach: ${{ steps.find.outputs.names | fromjson }}
            run: echo "name=<${{ item }}>" >> "$RUNNER_OUTPUT"
          - id: cells
            matrix: {region: "${{ vars.regions }}", n: [1, 2]}
            run: echo "cell=${{ matrix.region }}${{ matrix.n }}" >> "$RUNNER_OUTPUT"
          - id: read
            run: |
              test "${{ steps.each.outputs.name | join(',') }}" = "<x y>,<z>"
              test "${{ steps.cells.outputs.cell | join(',') }}" = "eu1,eu2,us1,us2"
              test "${{ steps.find.outputs.text }}" = "one
              two"
        """,
    )
    assert record["status"] == "succeeded", record
    cells = [f"cells[{region},{n}]" for region in ("eu", "us") for n in (1, 2)]
    assert list(steps) == ["find", "each[x y]", "each[z]", *cells, "read"]


def test_instances_over_values_that_are_hardly_names(desk: Desk) -> None:
    record, steps = run(
        desk,
        """\
        steps:
          - {id: each, foreach: ["", "a\\nb", "../x", "\\e[2J", ""], run: 'echo "${{ item }}"'}
          - {id: cells, matrix: {n: [""]}, run: echo}
        """,
    )
    assert record["status"] == "succeeded", record
    labels = ["''", "a\\nb", "../x", "\\x1b[2J", "''~2"]
    assert list(steps) == [*(f"each[{label}]" for label in labels), "cells['']"]


def test_max_parallel_and_fail_fast(desk: Desk) -> None:
    text = """\
    steps:
      - id: each
        foreach: [1, 2, 3]
        max_parallel: 1
        fail_fast: {fast}
        run: test "${{{{ item }}}}" != 1
    """
    record, steps = run(desk, text.format(fast="true"))
    assert record["status"] == "failed"
    assert steps == {"each[1]": "failed", "each[2]": "cancelled", "each[3]": "cancelled"} or steps == {
        "each[1]": "failed",
        "each[2]": "skipped",
        "each[3]": "skipped",
    }
    record, steps = run(desk, text.format(fast="false"))
    assert record["status"] == "failed"
    assert steps == {"each[1]": "failed", "each[2]": "succeeded", "each[3]": "succeeded"}


def test_a_failure_that_is_accepted(desk: Desk) -> None:
    record, steps = run(
        desk,
        """\
        steps:
          - {id: a, run: "exit 1", continue_on_error: true}
          - {id: b, run: 'test "${{ steps.a.status }}" = failed'}
        """,
    )
    assert (record["status"], steps) == ("succeeded", {"a": "failed", "b": "succeeded"})


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("{id: s, run: 'false | true'}", "succeeded"),
        ("{id: s, run: 'false | true', shell: bash}", "failed"),
        ("{id: s, run: 'import sys; sys.exit(sys.version_info < (3, 8))', shell: python}", "succeeded"),
        ("{id: s, run: 'exit 4', shell: [sh, -u]}", "failed"),
        ('{id: s, command: [sh, -c, \'test "$1" = "a b"\', sh, a b]}', "succeeded"),
        ("{id: s, command: [sh, -c, exit 3], success: [0, 3]}", "succeeded"),
        ("{id: s, run: echo ERROR here, success: {fail_on_output: '^ERROR'}}", "failed"),
        ("{id: s, run: echo fine; echo ERROR >&2}", "succeeded"),
        ("{id: s, python: 'json:dumps', with: {obj: 1}}", "succeeded"),
        ("{id: s, run: ' exec sleep 30', timeout: 200ms, stop_grace_period: 1s}", "timed_out"),
        ("{id: s, run: 'test \"$PWD\" = /', working_dir: /}", "succeeded"),
        ("{id: s, run: 'test -z \"${MARK:-}\"', clean_env: true}", "succeeded"),
        ("{id: s, run: 'test \"$MARK\" = here'}", "succeeded"),
    ],
)
def test_what_a_step_does_and_what_counts(desk: Desk, step: str, status: str) -> None:
    desk.environ["MARK"] = "here"
    _, steps = run(desk, f"steps:\n  - {step}\n")
    assert steps == {"s": status}


def test_outputs_three_ways_and_a_private_directory(desk: Desk) -> None:
    (desk.directory / "mod.py").write_text("def f(a):\n    return {'twice': a * 2}\n")
    record, _ = run(
        desk,
        """\
        steps:
          - {id: file, run: 'echo x=1 >> "$RUNNER_OUTPUT"; echo kept > "$RUNNER_RUN_DIR/note"'}
          - {id: dict, python: "mod:f", with: {a: 21}}
          - {id: said, run: echo " 7 ", outputs: {n: "stdout | trim | int + 1", code: exit_code}}
          - id: all
            run: |
              test "${{ steps.file.outputs.x }} ${{ steps.dict.outputs.twice }} ${{ steps.said.outputs.n }}" = "1 42 8"
              test "$(cat "${{ run.dir }}/note")" = kept
        """,
    )
    assert record["status"] == "succeeded", record


def test_an_http_step(desk: Desk, httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/x", method="POST", json={"n": 3}).respond_with_json(
        {"id": 9}, status=202
    )
    record, _ = run(
        desk,
        f"""\
        steps:
          - {{id: ask, http: {{post: "{httpserver.url_for("/x")}", json: {{n: "${{{{ 1 + 2 }}}}"}}, expect: 202}}}}
          - {{id: see, run: 'test "${{{{ steps.ask.outputs.json.id }}}}" = 9'}}
        """,
    )
    assert record["status"] == "succeeded", record


REFUSALS = [
    ("day=2026-13-01", "day: '2026-13-01' is not a date", "write 2026-12-24"),
    ("mode=ful", "mode: 'ful' is not one of its options", "did you mean full? There are: full, delta"),
    ("count=eleven", "count: 'eleven' is not a whole number", "it is a whole number from 1 to 10"),
    ("count=11", "count: '11' is more than 10", "it is a number from 1 to 10"),
    ("dry=perhaps", "dry: 'perhaps' is neither true nor false", "write true or false"),
    ("name=Shop", "name: 'Shop' is not of its form", "it must match [a-z]+"),
    ("at=noon", "at: 'noon' is not a datetime", "write 2026-12-24T08:00"),
    ("rate=fast", "rate: 'fast' is not a number", "it is a number, such as 3"),
    ("rate=nan", "rate: 'nan' is not a number", "it is a number, such as 3"),
    ("count=0", "count: '0' is less than 1", "it is a number from 1 to 10"),
    (
        "modes=full",
        "there is no parameter 'modes'",
        "did you mean mode? There are: day (date), mode (choice), count (integer), dry (boolean), name (string), "
        "at (datetime), rate (number), must (string)",
    ),
    ("rate=1", "the parameter 'must' is needed", "give it with -p must=VALUE"),
    ("must", "'must' is not NAME=VALUE", "write -p date=2026-12-24"),
]
PARAMS = """\
params:
  day: {type: date, default: 2026-01-01}
  mode: {type: choice, options: [full, delta], default: full}
  count: {type: integer, min: 1, max: 10, default: 1}
  dry: {type: boolean, default: false}
  name: {pattern: "[a-z]+", default: shop}
  at: {type: datetime}
  rate: {type: number}
  must: {required: true}
run: echo "${{ params.day }} ${{ params.mode }} ${{ params.count + 1 }} ${{ params.dry }} ${{ params.must }}"
"""


@pytest.mark.parametrize("verb", ["run", "trigger"])
def test_a_wrong_parameter_is_refused_with_the_right_ones(desk: Desk, verb: str) -> None:
    desk.write("jobs:\n  j:\n" + textwrap.indent(PARAMS, "    "))
    for given, fact, help in REFUSALS:
        done = desk.runner(verb, "j", "-p", given, check=False)
        assert (done.returncode, done.stderr) == (2, f"runner: {fact}\n  help: {help}\n")


def test_right_parameters_arrive_in_their_types(desk: Desk) -> None:
    desk.write("jobs:\n  j:\n" + textwrap.indent(PARAMS, "    "))
    args = [word for pair in ("count=9", "dry=yes", "must=a b", "day=2026-05-04") for word in ("-p", pair)]
    done = desk.runner("run", "--quiet", "j", *args)
    assert done.stdout.strip() == "2026-05-04 full 10 true a b"


def test_commands_of_a_service_have_the_umask_it_was_started_with(desk: Desk) -> None:
    """What a job leaves for others is for others; the state is private all the same."""
    desk.write('jobs:\n  a: {run: "umask; find state ! -type l -perm /077; touch kept", artifacts: [kept]}\n')
    before = os.umask(0o027)
    try:
        served = desk.serve()
        served.wait_for("nothing is scheduled")
        assert desk.runner("run", "a").stdout == "0027\n"
    finally:
        os.umask(before)
    assert (desk.directory / "kept").stat().st_mode & 0o777 == 0o640
    state = desk.directory / "state"
    found = list(state.rglob("*"))
    assert {path.relative_to(state).parts[0] for path in found} >= {
        "runner.db",
        "logs",
        "artifacts",
        "control.sock",
    }
    assert [path for path in found if path.stat().st_mode & 0o077] == []
    assert served.stop() == 0


def test_nothing_of_the_state_is_for_others_whatever_the_umask(desk: Desk) -> None:
    desk.write('jobs:\n  a: {run: "echo printed; touch kept", artifacts: [kept]}\n')
    before = os.umask(0)
    try:
        desk.runner("run", "a")
    finally:
        os.umask(before)
    state = desk.directory / "state"
    found = [path for path in state.rglob("*") if path.is_dir() or path.is_file()]
    assert {path.relative_to(state).parts[0] for path in found} >= {"runner.db", "logs", "artifacts", "runs"}
    assert [path for path in found if path.stat().st_mode & 0o077] == []
