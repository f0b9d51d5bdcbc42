"""Secrets are looked up when they are used, and say what is missing without saying what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.errors import ExpressionError, SecretError
from runner.secrets import Secrets


def make(base: Path, **sources: dict[str, object]) -> Secrets:
    return Secrets(sources, base, {"DB_PASSWORD": "hunter22", "EMPTY": "", "PATH": "/usr/bin:/bin"})


def test_from_environment_file_and_command(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("line one\nline two\n")
    secrets = make(
        tmp_path,
        db={"env": "DB_PASSWORD"},
        key={"file": "key"},
        said={"command": ["printf", "%s\\n", "from a command"]},
    )
    assert secrets.get("db") == "hunter22"
    assert secrets.get("key") == "line one\nline two"
    assert secrets.get("said") == "from a command"
    assert secrets.mask("from a command: hunter22 line two") == "***: *** ***"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"env": "NOPE"},
            "secrets.it: the environment has no NOPE (set it before the runner starts, or use {file: PATH} or "
            "{command: [...]})",
        ),
        ({"env": "EMPTY"}, "secrets.it: it is empty (look at env: EMPTY)"),
        (
            {"file": "nope"},
            "secrets.it: {base}/nope cannot be read: no such file or directory "
            "(a relative path begins beside the configuration)",
        ),
        (
            {"file": "."},
            "secrets.it: {base} cannot be read: is a directory "
            "(a relative path begins beside the configuration)",
        ),
        ({"file": "binary"}, "secrets.it: {base}/binary gives no UTF-8 text (encode it: base64 < FILE)"),
        ({"file": "huge"}, "secrets.it: {base}/huge gives more than 64 KiB"),
        ({"file": "nul"}, "secrets.it: it holds a NUL character (secrets are text)"),
        (
            {"command": ["no-such-program"]},
            "secrets.it: there is no program no-such-program (write its full path, or set PATH)",
        ),
        (
            {"command": "pass show db"},
            "secrets.it: a command is a list of arguments (write command: [pass, show, db])",
        ),
        (
            {"command": ["sh", "-c", "echo half-a-secret; echo permission denied >&2; exit 3"]},
            "secrets.it: sh ended with exit code 3: permission denied (run it by hand)",
        ),
        ({}, "secrets.it: it says nowhere to look (write {env: NAME}, {file: PATH} or {command: [...]})"),
    ],
)
def test_what_cannot_be_looked_up_says_why(tmp_path: Path, source: dict[str, object], message: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    (tmp_path / "nul").write_bytes(b"a\0b")
    secrets = make(tmp_path, it=source)
    with pytest.raises(SecretError) as caught:
        secrets.get("it")
    assert str(caught.value) == message.replace("{base}", str(tmp_path))
    assert "half-a-secret" not in str(caught.value)


def test_a_command_that_waits_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.secrets.lookup.PATIENCE", 0.05)
    secrets = make(tmp_path, it={"command": [sys.executable, "-c", "import time; time.sleep(60)"]})
    with pytest.raises(SecretError, match="did not answer within 0s"):
        secrets.get("it")


def test_an_unknown_name_is_told_from_a_known_one(tmp_path: Path) -> None:
    secrets = make(tmp_path, db_password={"env": "DB_PASSWORD"})
    with pytest.raises(SecretError, match=r"there is no secret db_pasword \(did you mean db_password\?\)"):
        secrets.get("db_pasword")
    with pytest.raises(ExpressionError, match=r"did you mean secrets\.db_password\?"):
        secrets.render("${{ secrets.db_pasword }}")


def test_a_view_looks_up_only_what_is_read_and_knows_it(tmp_path: Path) -> None:
    count = tmp_path / "count"
    secrets = make(
        tmp_path,
        db={"env": "DB_PASSWORD"},
        said={"command": ["sh", "-c", f"echo x >> {count}; echo once"]},
        broken={"env": "NOPE"},
    )
    view = secrets.view()
    assert "broken" in view
    assert view["said"] == view["said"] == "once"
    assert count.read_text() == "x\n"
    assert view.used == {"said": "once"}
    assert repr(view) == "<secrets broken, db, said>"
    assert repr(secrets) == "<Secrets db, said, broken>"


def test_texts_are_rendered_with_secrets_alone(tmp_path: Path) -> None:
    secrets = make(tmp_path, db={"env": "DB_PASSWORD"}, broken={"env": "NOPE"})
    assert secrets.render("postgres://me:${{ secrets.db }}@host") == "postgres://me:hunter22@host"
    with pytest.raises(SecretError, match="NOPE"):
        secrets.render("${{ secrets.broken }}")


def test_a_changed_value_is_used_and_the_old_one_stays_hidden(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-token")
    secrets = make(tmp_path, token={"file": "token"})
    assert secrets.mask("first-token") == "***"
    file.write_text("another-token")
    assert secrets.get("token") == "another-token"
    assert secrets.mask("first-token another-token") == "*** ***"
    secrets.replace({})
    assert secrets.mask("first-token") == "***"


def test_the_masker_knows_declared_values_before_anybody_uses_them(tmp_path: Path) -> None:
    secrets = make(tmp_path, db={"env": "DB_PASSWORD"}, broken={"file": "nope"})
    assert secrets.masker().text("hunter22") == "***"
    assert secrets.masker() is secrets.masker()


def test_variables_that_feed_secrets_are_known(tmp_path: Path) -> None:
    secrets = make(tmp_path, a={"env": "DB_PASSWORD"}, b={"file": "x"}, c={"env": "NOPE"})
    assert secrets.feeding_variables() == {"DB_PASSWORD", "NOPE"}


def test_problems_are_found_without_running_anything(tmp_path: Path) -> None:
    secrets = make(
        tmp_path,
        good={"env": "DB_PASSWORD"},
        missing={"env": "NOPE"},
        runs={"command": ["touch", str(tmp_path / "ran")]},
        lost={"command": ["no-such-program"]},
    )
    assert [problem.place for problem in secrets.problems()] == ["secrets.missing", "secrets.lost"]
    assert not (tmp_path / "ran").exists()
