"""What the lifter writes, refuses and warns of."""

from __future__ import annotations

import pytest

from runner.errors import ExpressionError
from runner.expressions import lift, refuse, without_comments

V = "RUNNER_VALUE_1"


@pytest.mark.parametrize(
    ("script", "lifted"),
    [
        ("echo hello", "echo hello"),
        ("./load.sh ${{ item }}", '/load.sh "${V}"'),
        ("echo \"a ${{ item }}\" 'b ${{ item }}'", "echo \"a ${V}\" 'b '\"${V}\"''"),
        ("find . -mtime +${{ item }} -delete", 'find . -mtime +"${V}" -delete'),
        ("cat <<EOF\n${{ item }}\nEOF\n", "cat <<EOF\n${V}\nEOF\n"),
        ("x=${y:-${{ item }}}", 'x=${y:-"${V}"}'),
        ("echo $((${{ item | int }} + 1))", "echo $(( ${V} + 1))"),
        ("# ${{ item }}\necho", "# $ {{ item }}\necho"),
        ("# ${{ item\n}} a\necho", "# $ {{ item }} a\necho"),
        (
            "echo '${HOME}' {{.Names}} $$ ${#} a#b ${{ item }}",
            "echo '${HOME}' {{.Names}} $$ ${#} a#b \"${V}\"",
        ),
        ("echo $((echo a) | cat) ${{ item }}", 'echo $((echo a) | cat) "${V}"'),
        ("eval echo ${{ item | sh }}", 'eval echo "${V}"'),
        ("sh -c 'echo \"$1\"' sh ${{ item }}", 'sh -c \'echo "$1"\' sh "${V}"'),
        ("[ ${{ item }} -eq 1 ]", '[ "${V}" -eq 1 ]'),
    ],
)
def test_a_reference_is_written_for_its_quoting(script: str, lifted: str) -> None:
    found = lift(script, "bash")
    assert found.script.replace(V, "V").endswith(lifted)
    assert "${{" not in found.script


def test_each_expression_has_one_variable() -> None:
    found = lift("a ${{ x }} ${{ y | upper }} '${{ x }}'")
    assert found.script == 'a "${RUNNER_VALUE_1}" "${RUNNER_VALUE_2}" \'\'"${RUNNER_VALUE_1}"\'\''
    assert found.variables == {"RUNNER_VALUE_1": "x", "RUNNER_VALUE_2": "y | upper"}


REFUSED = [
    (
        "cat <<'EOF'\n${{ x }}\nEOF",
        "${{ x }}: a here-document with a quoted delimiter takes everything as it is (write the delimiter without "
        "quotes (<<EOF), or hand the value over with env: {NAME: ${{ ... }}})",
    ),
    ('cat <<"EOF"\n${{ x }}\nEOF', "here-document with a quoted delimiter"),
    ("cat <<\\EOF\n${{ x }}\nEOF", "here-document with a quoted delimiter"),
    (
        "cat <<${{ x }}\na\n",
        "cannot be the delimiter of a here-document (write a fixed word there, such as EOF)",
    ),
    (
        "echo $((${{ x }} + 1))",
        "${{ x }}: the shell evaluates what stands in (( )) (calculate in the expression, or say that it is a "
        "number: ${{ n | int }})",
    ),
    ("((n = ${{ x }}))", "the shell evaluates what stands in (( ))"),
    ("for ((i = ${{ x }}; i < 3; i++)); do :; done", "the shell evaluates what stands in (( ))"),
    ("echo $((1 + ${n:-${{ x }}}))", "the shell evaluates what stands in (( ))"),
    (
        "a[${{ x }}]=1",
        "${{ x }}: bash evaluates what stands in a subscript (say that it is a number: ${{ n | int }})",
    ),
    (
        "echo ${a[${{ x }}]}",
        "cannot stand there inside ${ } (assign it first: value=${{ ... }}, then use ${value})",
    ),
    ("echo ${a/${{ x }}/b}", "cannot stand there inside ${ }"),
    ("echo ${a:${{ x }}}", "cannot stand there inside ${ }"),
    ("echo ${${{ x }}}", "cannot stand there inside ${ }"),
    ('echo "${a:-"${{ x }}"}"', "cannot stand there inside ${ }"),
    ("echo $'a ${{ x }}'", "cannot stand inside $' ' (close the quotes before it, or use \" \")"),
    ("echo `echo \\`echo ${{ x }}\\``", "cannot stand in backticks with a backslash (write $( ) instead)"),
    ("echo \\${{ x }}", "cannot stand behind a backslash (leave the backslash out)"),
    ('echo "\\${{ x }}"', "cannot stand behind a backslash"),
    (
        "eval echo ${{ x }}",
        "${{ x }}: `eval echo` runs its argument as a script (hand it over as an argument of its own ($1), with env, "
        "or quoted once more: ${{ ... | sh }})",
    ),
    ("true && eval '${{ x }}'", "`eval` runs its argument as a script"),
    ("f() { eval ${{ x }}; }", "`eval` runs its argument as a script"),
    ("if true; then eval ${{ x }}; fi", "`eval` runs its argument as a script"),
    ("A=1 eval ${{ x }}", "`eval` runs its argument as a script"),
    ('sh -c "echo ${{ x }}"', "`sh -c` runs its argument as a script"),
    ("sudo -u me /bin/bash -lc 'echo ${{ x }}'", "`sudo -u me /bin/bash -lc` runs its argument as a script"),
    ("find . -exec sh -c 'echo ${{ x }}' \\;", "`find . -exec sh -c` runs its argument as a script"),
    ("trap 'rm ${{ x }}' EXIT", "`trap` runs its argument as a script"),
    (
        "[[ ${{ x }} -eq 1 ]]",
        "${{ x }}: bash evaluates what [[ ]] compares as numbers (write [ ... -eq ... ], or say that it is a number: "
        "${{ n | int }})",
    ),
    ("[[ 1 == 1 && 3 -lt ${{ x }} ]]", "bash evaluates what [[ ]] compares as numbers"),
    ("let ${{ x }}", "bash evaluates the arguments of let"),
    ("[[ -v ${{ x }} ]]", "bash evaluates the arguments of [["),
    ("unset ${{ x }}", "bash evaluates the names given to unset (write a fixed name there)"),
    ('declare "${{ x }}=1"', "bash evaluates the names given to declare"),
    ("declare -i x=${{ x }}", "bash evaluates the arguments of declare"),
    ("f() { local -xi q=${{ x }}; }", "bash evaluates the arguments of local"),
    ("declare -n r=${{ x }}", "bash evaluates the arguments of declare"),
    ('compgen -W "${{ x }}"', "bash evaluates the arguments of compgen"),
    ("PS4=${{ x }}", "the shell runs what this variable holds (write a fixed text there)"),
    ("BASH_ENV=${{ x }} bash -c true", "the shell runs what this variable holds"),
    (
        "sh <<END\necho ${{ x }}\nEND",
        "`sh` runs this here-document as a script (hand the value over with env, or as $1)",
    ),
    ("sudo bash -s -- <<END | cat\necho ${{ x }}\nEND", "runs this here-document as a script"),
    ("python3 - a <<END\nprint(${{ x }})\nEND", "`python3` runs this here-document as a script"),
    (
        "python3 -c 'print(${{ x }})'",
        "${{ x }}: `python3 -c` runs its argument as a script (hand the value over with env: {NAME: ${{ ... }}}, or as "
        "an argument of its own)",
    ),
    ('A=1 /usr/bin/perl -ne "print ${{ x }}"', "`/usr/bin/perl -ne` runs its argument as a script"),
    ('su me -c "ls ${{ x }}"', "`su me -c` runs its argument as a script"),
]


@pytest.mark.parametrize(("script", "message"), REFUSED)
def test_where_no_reference_is_safe_it_says_how_to_write_it(script: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lift(script, "bash")
    assert message in str(caught.value)
    assert caught.value.offset == script.index("${{")


@pytest.mark.parametrize(
    ("script", "warning"),
    [
        ("echo ${{ x | raw }}", "${{ x | raw }} becomes script text: whatever it holds is executed"),
        ("for i in ${{ x }}; do :; done", "${{ x }} is one word for the loop; use foreach for a list"),
        (
            "mytool -e 'select ${{ x }}'",
            "${{ x }} becomes part of what `mytool` interprets; use its own way to pass values",
        ),
    ],
)
def test_what_another_program_will_interpret_is_warned_of(script: str, warning: str) -> None:
    assert lift(script).warnings == (warning,)


@pytest.mark.parametrize(
    "script",
    [
        "declare x=${{ x }}",
        "for i in a ${{ x }}.txt; do :; done",
        "echo ${{ x }}",
    ],
)
def test_what_is_safe_is_not_warned_of(script: str) -> None:
    assert lift(script).warnings == ()


def test_raw_text_is_inserted_and_values_are_not() -> None:
    found = lift("${{ command | raw }} ${{ file }}")
    assert found.filled({"command": "ls -l", "file": "a b"}) == (
        'ls -l "${RUNNER_VALUE_1}"',
        {"RUNNER_VALUE_1": "a b"},
    )


def test_values_are_texts() -> None:
    found = lift("echo ${{ a }} ${{ b }} ${{ c }}")
    assert list(found.filled({"a": [1, "x"], "b": True, "c": None})[1].values()) == ['[1, "x"]', "true", ""]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a\0b", "${{ x }} holds a NUL character (a command cannot be given one)"),
        (
            "x" * 131_072,
            "${{ x }} is longer than the 127 KiB a command can be given "
            "(hand large data over in a file: ${{ run.dir }} is private to the run)",
        ),
    ],
)
def test_a_value_no_command_can_be_given_is_an_error(value: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lift("echo ${{ x }}").filled({"x": value})
    assert str(caught.value) == message


def test_other_interpreters_take_values_from_the_environment() -> None:
    refuse("print('{{ x }}')", "python")
    with pytest.raises(ExpressionError) as caught:
        refuse("print('${{ x }}')", "python")
    assert str(caught.value) == (
        "${{ x }}: an expression cannot stand inside a python script "
        "(hand the value over in the environment: env: {NAME: ${{ ... }}})"
    )


@pytest.mark.parametrize(
    "script", ["$(" * 5000 + "${{ x }}", '"$(' * 3000 + "${{ x }}", "${a:-" * 5000 + "${{ x }}"]
)
def test_a_script_that_is_nested_too_deep_is_refused(script: str) -> None:
    with pytest.raises(ExpressionError, match="nested too deep"):
        lift(script)


@pytest.mark.parametrize(
    "script",
    [
        "'${{ x }}",
        '"${{ x }}',
        "$(${{ x }}",
        "${a:-${{ x }}",
        "`${{ x }}",
        "<<EOF\n${{ x }}",
        "case ${{ x }}",
        "\\",
        "${{ x }}\\",
        "$((1 + (${{ x | int }})",
    ],
)
def test_an_unfinished_script_is_the_shells_business(script: str) -> None:
    assert "${{" not in lift(script).script


def test_expressions_in_comments_are_none() -> None:
    script = "echo ${{ a }} # ${{ b }}\n# ${{ c | nope }} '\necho '# ${{ d }}' a#${{ e }}"
    plain = without_comments(script)
    assert plain == script.replace("${{ b", "... b").replace("${{ c", "... c")
    assert len(plain) == len(script)
    assert without_comments("# ${{ never closed") == "# ${{ never closed"
