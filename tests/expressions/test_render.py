"""What `${{ }}` means: values, types, filters, and the words of its errors."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from runner.errors import ExpressionError
from runner.expressions import check, evaluate, has_expression, names, render, render_message

CONTEXT: dict[str, Any] = {
    "vars": {"db": "orders", "keep": 14, "regions": ["eu", "us"], "items": "mine"},
    "params": {"date": date(2026, 3, 28), "mode": "full", "empty": None},
    "item": "eu",
    "run": {"id": "etl@2026", "scheduled_at": "2026-03-28T02:30:00+01:00", "attempt": 2},
    "steps": {
        "extract": {"status": "succeeded", "outputs": {"rows": 42, "files": [{"name": "a"}, {"name": "b"}]}}
    },
    "success": lambda: True,
    "failure": lambda: False,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("docker ps --format '{{.Names}}' ${HOME}", "docker ps --format '{{.Names}}' ${HOME}"),
        ("{% if %} {# no comment #}", "{% if %} {# no comment #}"),
        ("${{ vars.keep }}", 14),
        ("keep ${{ vars.keep }} days", "keep 14 days"),
        ("${{ vars.regions }}", ["eu", "us"]),
        ("${{vars.regions}}!", '["eu", "us"]!'),
        ("${{ '}}' }}", "}}"),
        ("${{ {'a': {'b': 1}}['a']['b'] }}", 1),
        ("${{ vars.items }}", "mine"),
        ("${{ params.empty }}|${{ null }}|${{ true }}|${{ 1.5 }}", "||true|1.5"),
        ("${{ params.date }} ", "2026-03-28 "),
        ("${{ params.date }}", date(2026, 3, 28)),
        ("${{ run.scheduled_at | date }}", "2026-03-28"),
        ("${{ run.scheduled_at | date('%d.%m.%Y') }}", "28.03.2026"),
        ("${{ run.scheduled_at | shift('1d') | datetime }}", "2026-03-29T02:30:00+01:00"),
        ("${{ run.scheduled_at | shift('-90m') | datetime }}", "2026-03-28T01:00:00+01:00"),
        ("${{ run.scheduled_at | tz('UTC') | datetime }}", "2026-03-28T01:30:00+00:00"),
        ("${{ run.scheduled_at | tz('Asia/Tokyo') | date('%H:%M') }}", "10:30"),
        ("${{ params.date | shift('-1d') }}", date(2026, 3, 27)),
        ("${{ '2026-03-01' | shift('-1d') }}", "2026-02-28"),
        ("${{ steps.extract.outputs.files | map(attribute='name') | join('+') }}", "a+b"),
        ("${{ steps.extract.outputs | json }}", '{"rows": 42, "files": [{"name": "a"}, {"name": "b"}]}'),
        ('${{ "it\'s" | sh }}', "'it'\"'\"'s'"),
        ("${{ '../../etc/passwd' | path }}", ".._.._etc_passwd"),
        ("${{ '..' | path }}", "__"),
        ("${{ vars.nothing | default('x') }}", "x"),
        ("${{ vars.db ~ '-' ~ vars.keep }}", "orders-14"),
        ("${{ vars.db.upper().replace('O', '0') }}", "0RDERS"),
        ("${{ vars.get('db') }}", "orders"),
        ("${{ 'b' in vars.regions or item == 'eu' }}", True),
        ("${{ vars.keep * 2 if vars.keep > 7 else 0 }}", 28),
        ("${{ range(3) | list }}", [0, 1, 2]),
        ("${{ vars.regions[0] }}${{ vars.regions[-1] }}${{ vars.db[1:3] }}", "eu" + "us" + "rd"),
        ("${{ [1, 2, 3] | sum }}", 6),
        ("${{ '{\"a\": [1]}' | fromjson }}", {"a": [1]}),
    ],
)
def test_a_text_has_the_value_of_its_expressions(text: str, value: Any) -> None:
    check(text)
    assert render(text, CONTEXT) == value
    assert type(render(text, CONTEXT)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("success()", True),
        ("${{ failure() }}", False),
        (" steps.extract.outputs.rows > 40 and success() ", True),
        ("steps.extract.status == 'failed'", False),
        ("vars.regions", ["eu", "us"]),
    ],
)
def test_an_expression_stands_with_or_without_its_markers(text: str, value: Any) -> None:
    check(text, bare=True)
    assert evaluate(text, CONTEXT) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ vars.dbb }}", "${{ vars.dbb }}: there is no vars.dbb (did you mean vars.db?)"),
        (
            "${{ steps.extrakt.outputs.rows }}",
            "${{ steps.extrakt.outputs.rows }}: there is no steps.extrakt (did you mean steps.extract?)",
        ),
        ("${{ nothing }}", "${{ nothing }}: there is no nothing (there is: item, params, run, steps, vars)"),
        (
            "${{ item | uppper }}",
            "${{ item | uppper }}: there is no filter uppper (did you mean upper?)",
        ),
        (
            "${{ vars.nope | default('x') ~ vars.dbb }}",
            "${{ vars.nope | default('x') ~ vars.dbb }}: there is no vars.dbb (did you mean vars.db?)",
        ),
        ("${{ item is evn }}", "${{ item is evn }}: there is no test evn (did you mean even?)"),
        ("${{ sucess() }}", "${{ sucess() }}: there is no function sucess (did you mean success?)"),
        (
            "${{ a && b }}",
            "${{ a && b }}: it does not parse: unexpected char '&' at 2 (write `and` instead of &&)",
        ),
        ("${{ }}", "${{  }}: the expression is empty"),
        ("x ${{ vars.db", "an expression begins with ${{ and does not end (close it with }})"),
        ("${{ 1 / 0 }}", "${{ 1 / 0 }}: division by zero"),
        (
            "${{ 'x' | date }}",
            "${{ 'x' | date }}: 'x' is not a date or time (write ISO 8601, as in 2026-03-29T02:00:00+01:00)",
        ),
        (
            "${{ '2026-01-01' | shift('5') }}",
            "${{ '2026-01-01' | shift('5') }}: '5' is not a length of time "
            "(say the unit: 5s (seconds), 5m (minutes), 5h (hours) or 5d (days))",
        ),
        (
            "${{ '2026-01-01T00:00Z' | tz('Mars/Base') }}",
            "${{ '2026-01-01T00:00Z' | tz('Mars/Base') }}: there is no "
            "time zone 'Mars/Base' (write it as in Europe/Berlin)",
        ),
    ],
)
def test_errors_say_what_is_there(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text, CONTEXT)
    assert str(caught.value) == message


def test_an_error_knows_where_its_expression_stands() -> None:
    with pytest.raises(ExpressionError) as caught:
        check("a ${{ vars.a }} b ${{ vars.b | nope }}")
    assert caught.value.offset == 18


def test_more_than_one_expression_is_no_condition() -> None:
    with pytest.raises(ExpressionError, match="is not one expression"):
        evaluate("${{ 1 }} and ${{ 2 }}", {})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${{ steps.extract.outputs.rows }}", [("steps", "extract", "outputs", "rows")]),
        ("${{ steps['extract'].outputs['rows'] | int }}", [("steps", "extract", "outputs", "rows")]),
        ("${{ vars.db.upper() }} ${{ success() }}", [("vars", "db")]),
        ("${{ vars[item] }}", [("vars",), ("item",)]),
        ("${{ a.b if c else d | default(e.f) }}", [("a", "b"), ("c",), ("d",), ("e", "f")]),
        ("${{ a }} ${{ a }} ${{ null }} ${{ range(3) }}", [("a",)]),
        ("no expression", []),
    ],
)
def test_names_are_what_is_read(text: str, found: list[tuple[str, ...]]) -> None:
    assert sorted(names(text)) == sorted(found)


def test_has_expression() -> None:
    assert has_expression("a ${{ b }}")
    assert not has_expression("a {{ b }} ${HOME}")


def test_moments_may_be_datetimes() -> None:
    context = {"run": {"scheduled_at": datetime(2026, 3, 28, 1, 30, tzinfo=UTC)}}
    assert render("${{ run.scheduled_at }}.", context) == "2026-03-28T01:30:00+00:00."
    assert render("${{ run.scheduled_at | shift('-1d') | date }}", context) == "2026-03-27"
    assert render("${{ run.scheduled_at.year }}", context) == 2026


def test_messages_are_ordinary_templates() -> None:
    text = (
        "{% for file in steps.extract.outputs.files %}{{ loop.index }}:{{ file.name }}"
        "{% if not loop.last %}, {% endif %}{% endfor %}"
    )
    assert render_message(text, CONTEXT) == "1:a, 2:b"
    assert render_message("{# note #}{% set n = vars.keep + 1 %}{{ n }} {{ params }}", CONTEXT) == (
        '15 {"date": "2026-03-28", "mode": "full", "empty": null}'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ nope }}", "the message has no value: there is no nope"),
        ("a\n{% if %}", "line 2 does not parse: Expected an expression, got 'end of statement block'"),
        ("{{ 1 | nope }}", "there is no filter nope"),
        ("{% include 'x' %}", "include is not available here"),
        ("{% macro m() %}{% endmacro %}", "macro is not available here"),
    ],
)
def test_messages_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render_message(text, CONTEXT)
    assert caught.value.fact == message
