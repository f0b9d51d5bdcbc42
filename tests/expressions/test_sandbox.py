"""Known escapes from Jinja2's sandbox, and bombs of work and memory: none gets out, and each ends early."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.errors import ExpressionError
from runner.expressions import check, evaluate, render_message


class Secretive:
    """An object of Python's that a context should not hold, but might."""

    token = "hunter22"

    def method(self) -> str:
        return self.token


def function() -> str:
    return "called"


CONTEXT: dict[str, Any] = {
    "text": "abc",
    "number": 7,
    "items": [1, 2, 3],
    "mapping": {"a": {"b": 1}, "f": function},
    "thing": Secretive(),
    "module": SimpleNamespace(os=__import__("os")),
    "success": function,
}

ESCAPES = [
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__']",
    "''['__cla' ~ 'ss__']",
    "text|attr('__class__')",
    "text|map(attribute='__class__')|list",
    "[text]|map(attribute='__class__.__mro__')|list",
    "[text]|map('attr', '__class__')|list",
    "[text]|selectattr('__class__')|list",
    "[text]|sort(attribute='__class__.__name__')",
    "[text]|sum(attribute='__class__')",
    "[text]|groupby('__class__')|list",
    "().__class__.__bases__[0].__subclasses__()",
    "{}.__class__",
    "(1).__class__",
    "number.__class__",
    "number.real",
    "items.__init__.__globals__",
    "items.append(4)",
    "items.clear()",
    "mapping.update({'x': 1})",
    "mapping.pop('a')",
    "mapping.__getitem__('a')",
    "mapping.f()",
    "success.__globals__",
    "success.__globals__['sys'].modules",
    "success.__code__",
    "success()['__class__']",
    "range.__self__",
    "self",
    "self._TemplateReference__context",
    "self.__init__.__globals__",
    "self['__class__']",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "joiner.__init__.__globals__",
    "namespace.__init__.__globals__",
    "lipsum.__globals__['os']",
    "lipsum.__globals__.__builtins__.open('/etc/passwd').read()",
    "dict.__base__",
    "dict(a=1)",
    "config",
    "request.application.__globals__",
    "get_flashed_messages.__globals__",
    "url_for.__globals__",
    "'{0.__class__}'.format(text)",
    "'{0.__class__.__mro__}'.format_map({'0': 1})",
    "'%s' % text",
    "'%(x)s' % {'x': 1}",
    "'{}'|format(text)",
    "text.format.__self__",
    "text.encode('utf8')",
    "text.translate({97: 'x'})",
    "text.join(['a', 'b'])",
    "text.upper.__self__",
    "text.upper.__call__()",
    "text['upper']",
    "thing.token",
    "thing.method()",
    "thing['token']",
    "thing.__dict__",
    "module.os",
    "module.os.system('id')",
    "module['os']",
    "environment",
    "context",
    "context.environment",
    "__builtins__",
    "__import__('os')",
    "open('/etc/passwd').read()",
    "eval('1')",
    "(text.upper)()",
    "[text.upper][0]()",
    "(text or number)()",
    "text.upper(*[])",
    "success(**{})",
    "undefined_name.__class__",
    "items|map('upper')|list|attr('pop')",
    "text|pprint",
    "text|xmlattr",
    "text is filter",
    "text is callable",
    "text is sameas(text)",
    "(items|batch(1)).gi_frame.f_globals",
    "(items|map('string')).gi_frame",
    "items|random",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_an_expression_reaches_no_python(text: str) -> None:
    before = str(CONTEXT)
    try:
        value = evaluate(text, CONTEXT)
    except ExpressionError:
        value = "nothing"
    assert str(CONTEXT) == before
    assert value in ("nothing", "ABC"), f"{text} gave {value!r}"


@pytest.mark.parametrize("text", ESCAPES)
def test_a_message_reaches_no_python(text: str) -> None:
    try:
        shown = render_message("{{ " + text + " }}", CONTEXT)
    except ExpressionError:
        shown = "nothing"
    assert shown in ("nothing", "ABC"), f"{text} gave {shown!r}"


@pytest.mark.parametrize(
    "text",
    [
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends 'base' %}",
        "{% block x %}{% endblock %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% call success() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% autoescape false %}x{% endautoescape %}",
        "{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop.cycle.__func__ }}{% endfor %}",
        "{% set x = namespace(a=1) %}{{ x.a }}",
        "{% set mapping.a = 1 %}",
        "{% do items.append(1) %}",
        "{% set ns %}x{% endset %}{{ ns.__class__ }}",
        "{% raw %}{% endraw %}{{ self.__class__ }}",
    ],
)
def test_a_message_has_no_statement_that_reaches_out(text: str) -> None:
    with pytest.raises(ExpressionError):
        render_message(text, CONTEXT)


BOMBS = [
    "'x' * 1000000000",
    "1000000000 * 'x'",
    "[0] * 1000000000",
    "[[[[0] * 1000] * 1000] * 1000] * 1000",
    "10 ** 10000000",
    "9 ** 9 ** 9 ** 9",
    "(" + " * ".join(["(10 ** 300)"] * 200) + ")",
    "range(10 ** 12) | list",
    "range(100000) | map('string') | map('replace', '', 'x' * 10000) | join",
    "range(100000) | select('in', range(100000)) | list",
    "range(100000) | map(attribute='" + ".".join("a" * 900) + "', default=1) | list",
    "range(100000) | join('x' * 1000000)",
    "('x' * 1000000) | replace('', 'y' * 1000)",
    "('x' * 1000000).replace('x', 'y' * 1000)",
    " ~ ".join(["('x' * 1000000)"] * 400),
    " + ".join(["('x' * 1000000)"] * 400),
    "[" + ", ".join(["'x' * 1000000"] * 500) + "]",
    "[" + ", ".join(["range(100000)"] * 500) + "]",
    "('x' * 1000000) | urlencode",
    "'x' | indent(1000000000)",
    "'x\n' | indent(10 ** 9, true)",
    "'x' | center(1000000000)",
    "'x'.center(1000000000)",
    "'x'.ljust(1000000000)",
    "'\t'.expandtabs(1000000000)",
    "'{:>1000000000}'.format(1)",
    "'%1000000000d' % 1",
    "1 | round(-1000000000)",
    "1 | round(1000000000)",
    "'2026-01-01' | date('%999999999d' * 1000)",
    "'2026-01-01' | shift('99999d') | shift('99999d') | shift('99999999999d')",
    "'9' * 100000 | int",
    "(" * 3000 + "1" + ")" * 3000,
    "not " * 2000 + "1",
    "-" * 5000 + "1",
    "1" + "+1" * 4000,
    "[" * 2000 + "]" * 2000,
    "a" + ".a" * 4000,
    "'x'" + "|upper" * 1400,
    "range(100000) | sort | reverse | unique | sort | list | sort | reverse | unique | sort | list",
    "'[' * 100000 | fromjson",
    "(('[' * 100000) | fromjson)",
    "x" * 20_000,
]

MESSAGE_BOMBS = [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}" + "{% for b in range(9) %}" * 6 + "x" + "{% endfor %}" * 7,
    "{% for a in range(100000) %}" + "{{ not " * 1 + "not " * 400 + "a }}{% endfor %}",
    "{% for a in range(100000) %}xxxxxxxxxx{% endfor %}",
    "{% set x = 'x' * 1000000 %}{{ x }}{{ x }}",
    "{% set x = 'x' * 1000 %}" + "{% set x = x ~ x %}" * 60 + "{{ x | length }}",
    "{% set x = [1, 1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = [1, 1] %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x | json }}",
    "{% set x = (1, 1) %}" + "{% set x = x + x %}" * 60 + "{{ x | length }}",
    "{% set x = 3 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
    "{% for a in range(100000) %}{{ a in range(1000) }}{% endfor %}",
    "{% set big = range(100000) %}{% for a in big %}{% if a in big %}{% endif %}{% endfor %}",
    "{% set big = range(100000) %}{% for a in big %}{{ big == big }}{% endfor %}",
    "{% for a in range(100) %}" * 25 + "{% endfor %}" * 25,
    "{% if 1 %}" * 1500 + "{% endif %}" * 1500,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "x" * 100_000,
]

_CHILD = """
import resource, sys, time
from runner.errors import ExpressionError
from runner.expressions import evaluate, render_message
evaluate("range(3) | map('string') | join", {}); render_message("{% for x in [1] %}{{ x }}{% endfor %}", {})
do = evaluate if sys.argv[1] == "expression" else render_message
for text in sys.stdin.read().split("\\0"):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        value = do(text, {})
        said = f"a value of {len(str(value))}"
    except ExpressionError as error:
        said = error.fact[-100:]
    took = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{took:.2f} {grown} {said!a}", flush=True)
"""


@pytest.mark.parametrize(("kind", "bombs"), [("expression", BOMBS), ("message", MESSAGE_BOMBS)])
def test_each_bomb_ends_within_a_second_and_64_mib(kind: str, bombs: list[str]) -> None:
    limit = 700 * 1024 * 1024

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_CHILD), kind],
        input="\0".join(bombs),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (
        lines[-1:],
        bombs[len(lines)][:80] if len(lines) < len(bombs) else "",
        done.stderr,
    )
    assert len(lines) == len(bombs)
    for text, line in zip(bombs, lines, strict=True):
        took, grown, said = line.split(" ", 2)
        assert float(took) < 1, (text[:100], line)
        assert int(grown) <= 64, (text[:100], line)
        assert not said.startswith("'a value of") or int(said.rstrip("'").rpartition(" ")[2]) <= 1024 * 1024


def test_a_bomb_says_what_is_too_much() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("'x' * 1000000000", {})
    assert str(caught.value) == (
        "${{ 'x' * 1000000000 }}: a text of 1000000000 characters is longer than the 1048576 that are allowed"
    )


def test_a_deep_expression_is_refused_when_it_is_checked() -> None:
    with pytest.raises(ExpressionError, match="nested too deep"):
        check("${{ " + "(" * 3000 + "1" + ")" * 3000 + " }}")


def test_rendering_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("content")
    with pytest.raises(ExpressionError):
        render_message(f"{{% include '{tmp_path}/x' %}}", {})
