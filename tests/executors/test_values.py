from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.executors.output import path_of, read
from runner.executors.place import scratch_dir
from runner.secrets import Secrets
from runner.spec import Command
from tests.executors.rig import Open, sh, task

EVIL = "a'b\"c $(touch pwned) `touch pwned` ; touch pwned #"


@pytest.mark.parametrize("shell", [("sh", "-e"), ("bash", "-eo", "pipefail")])
def test_a_value_never_becomes_script_text(local: Open, tmp_path: Path, shell: tuple[str, ...]) -> None:
    script = "printf '%s|' ${{ params.x }} \"${{ params.x }}\" '${{ params.x }}'"
    outcome = local.run(sh(script, shell=shell), context={"params": {"x": EVIL}})
    assert outcome.tail == f"{EVIL}|" * 3
    assert not (tmp_path / "pwned").exists()


def test_the_list_of_processes_shows_no_value(local: Open) -> None:
    # The pieces are joined only in the value: neither the script nor its text here is found.
    script = "for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $file 2>/dev/null || :; echo; done; : ${{ params.x }}"
    outcome = local.run(sh(script), context={"params": {"x": "-".join(("only", "in", "the", "value"))}})
    assert outcome.exit_code == 0
    shown = read(path_of(local.state_dir, task(sh("")).attempt)).decode(errors="replace")
    assert "cmdline" in shown
    assert "-".join(("only", "in", "the", "value")) not in shown


def test_arguments_are_rendered(local: Open) -> None:
    work = Command(argv=("printf", "%s-%s", "${{ params.x }}", "n${{ 1 + 1 }}"))
    assert local.run(work, context={"params": {"x": EVIL}}).tail == f"{EVIL}-n2"


def test_levels_of_env_read_each_other(local: Open) -> None:
    one = task(
        Command(argv=("sh", "-c", "echo $A $B")), env={"B": "${{ vars.a }}-b", "A": "1"}, vars={"a": "x"}
    )
    local.executor.start(one)
    assert local.next().tail == "1 x-b"


def test_run_dir(local: Open) -> None:
    one = task(sh("echo ${{ run.dir }}; test -w ${{ run.dir }}"))
    local.executor.start(one)
    assert local.next().tail == str(scratch_dir(local.state_dir, one.run.key))


def test_an_expression_for_another_interpreter_is_refused(local: Open) -> None:
    outcome = local.run(sh("print(${{ params.x }})", shell=("python3",)), context={"params": {"x": 1}})
    assert "an expression cannot stand inside a python3 script" in outcome.error


def test_a_script_for_python(local: Open) -> None:
    assert local.run(sh("import sys; print(sys.version_info[0])", shell=("python3",))).tail == "3"


def test_a_secret_is_seen_by_the_command_alone(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "FEEDS_KEY": "s3cr3t-value", "OTHER": "o"}
    secrets = Secrets({"key": {"env": "FEEDS_KEY"}}, tmp_path, environ)
    opened = Open(tmp_path, environ=environ, secrets=secrets)
    script = (
        "test ${{ secrets.key }} = s3cr3t-value; echo the ${{ secrets.key }}; echo ${FEEDS_KEY-unset};"
        "printf s3cr3; sleep 0.05; printf 't-value\\n'; echo k=${{ secrets.key }} >> $RUNNER_OUTPUT"
    )
    one = task(sh(script))
    try:
        opened.executor.start(one)
        outcome = opened.next()
    finally:
        opened.close()
    assert (outcome.error, outcome.tail) == ("", "the ***\nunset\n***")
    assert outcome.outputs == {"k": "***"}
    assert read(path_of(tmp_path, one.attempt)) == b"the ***\nunset\n***\n"


def test_a_secret_that_is_missing(tmp_path: Path) -> None:
    secrets = Secrets({"key": {"env": "FEEDS_KEY"}}, tmp_path, {})
    opened = Open(tmp_path, secrets=secrets)
    try:
        outcome = opened.run(sh("echo ${{ secrets.key }}"))
    finally:
        opened.close()
    assert "the environment has no FEEDS_KEY" in outcome.error
