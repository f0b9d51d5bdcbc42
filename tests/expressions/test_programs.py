"""A value in the program of another language is refused, and what is recommended instead works."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from runner.errors import ExpressionError
from runner.expressions import lift

BIND = "hand it over with env: {NAME: ${{ ... }}} to a program that binds values"
PASS = "hand the value over with env: {NAME: ${{ ... }}}, or as an argument of its own"
AWK = "give it as a value: awk -v x=${{ ... }} '... x ...'"
SED = (
    "sed takes no values: awk -v x=${{ ... }} '{ sub(/old/, x) } 1'; a number or a day may stand there: "
    "${{ n | int }}, ${{ t | date }}"
)
JQ = "give it as a value: jq --arg x ${{ ... }} '... $x ...'"
PSQL = "give it as a value: psql -v x=${{ ... }} <<'EOF', and write :'x' there"
MYSQL = "write it as FROM_BASE64('${{ ... | b64encode }}')"
AGAIN = "quote it once more for that shell: ${{ ... | sh }}"
FILE = "hand the value over in a file"
ARGUMENT = "hand it over as an argument of its own ($1), with env, or quoted once more: ${{ ... | sh }}"
PART = "reads it as a part of its program"
SHELL = "gives its arguments to a shell"
SCRIPT = "runs its argument as a script"

REFUSED = [
    ("awk '{print ${{ x }}}' file", f"`awk` {PART} ({AWK})"),
    ("awk ${{ x }} file", f"`awk` {PART} ({AWK})"),
    ('gawk -F: -v n=1 "/${{ x }}/" /etc/passwd', f"`gawk` {PART} ({AWK})"),
    ('cat a | sudo -u me awk "${{ x }}"', f"`awk` {PART} ({AWK})"),
    ("awk -e '${{ x }}' file", f"`awk` {PART} ({AWK})"),
    ("awk 2>/dev/null '${{ x }}'", f"`awk` {PART} ({AWK})"),
    ("echo $(awk '${{ x }}' file)", f"`awk` {PART} ({AWK})"),
    ('sed "s/a/${{ x }}/" file', f"`sed` {PART} ({SED})"),
    ('sed -i.bak -n -e "s/a/${{ x }}/" file', f"`sed` {PART} ({SED})"),
    ('sed -ne "s/a/${{ x }}/p" file', f"`sed` {PART} ({SED})"),
    ('sed --expression="s/a/${{ x }}/" file', f"`sed` {PART} ({SED})"),
    ("find . -exec sed -i 's/a/${{ x }}/' {} +", f"`sed` {PART} ({SED})"),
    ('xargs sed -i "s/a/${{ x }}/"', f"`sed` {PART} ({SED})"),
    ('timeout 5 sed "s/a/${{ x }}/"', f"`sed` {PART} ({SED})"),
    ("jq '.name = \"${{ x }}\"' file", f"`jq` {PART} ({JQ})"),
    ("jq -n --arg a b '.${{ x }}'", f"`jq` {PART} ({JQ})"),
    ("jq ${{ x | json }} file", f"`jq` {PART} ({JQ})"),
    (
        "yq eval '.a = \"${{ x }}\"' f.yaml",
        f"`yq` {PART} (hand it over with env: {{NAME: ${{{{ ... }}}}}}, and write strenv(NAME))",
    ),
    ('psql -c "select ${{ x }}"', f"`psql` {PART} ({PSQL})"),
    ('psql -At -d db --command="select ${{ x }}"', f"`psql` {PART} ({PSQL})"),
    ("psql db <<EOF\nselect '${{ x }}'\nEOF", f"`psql` runs this here-document as a script ({PSQL})"),
    ('psql db <<< "select ${{ x }}"', f"`psql` runs this here-string as a script ({PSQL})"),
    ('docker exec -i db psql -c "select ${{ x }}"', f"`psql` {PART} ({PSQL})"),
    ("mysql -u me -e \"select '${{ x }}'\"", f"`mysql` {PART} ({MYSQL})"),
    ("mariadb db <<EOF\nselect '${{ x }}'\nEOF", f"`mariadb` runs this here-document as a script ({MYSQL})"),
    ("sqlite3 a.db \"select '${{ x }}'\"", f"`sqlite3` {PART} ({BIND})"),
    (
        "sqlite3 -csv a.db <<EOF\n.shell ${{ x }}\nEOF",
        f"`sqlite3` runs this here-document as a script ({BIND})",
    ),
    ("mongosh --eval 'db.a.find(${{ x }})'", f"`mongosh` {PART} ({BIND})"),
    ("ed file <<EOF\n,s/a/${{ x }}/\nEOF", f"`ed` runs this here-document as a script ({FILE})"),
    ("at now <<EOF\necho ${{ x }}\nEOF", f"`at` runs this here-document as a script ({FILE})"),
    ("ssh host ls ${{ x }}", f"`ssh` {SHELL} ({AGAIN})"),
    ("ssh -p 22 me@host 'ls ${{ x }}'", f"`ssh` {SHELL} ({AGAIN})"),
    ("ssh host ${{ x }}", f"`ssh` {SHELL} ({AGAIN})"),
    (
        "ssh host <<EOF\nls ${{ x }}\nEOF",
        "`ssh` runs this here-document as a script (hand the value over with env, or",
    ),
    ("ssh host 'bash -s' <<EOF\nls ${{ x }}\nEOF", "`bash` runs this here-document as a script"),
    ("ssh -o ProxyCommand=${{ x }} host", "the shell runs what this variable holds"),
    ("watch -n 1 ls ${{ x }}", f"`watch` {SHELL} ({AGAIN})"),
    ("parallel -j 4 'gzip {} ${{ x }}' ::: a b", f"`parallel` {SHELL} ({AGAIN})"),
    ("flock /tmp/l -c 'ls ${{ x }}'", f"`flock /tmp/l -c` {SCRIPT} ({ARGUMENT})"),
    ("env -S 'ls ${{ x }}'", f"`env` {PART} ({PASS})"),
    ("bash -o pipefail -c 'ls ${{ x }}'", f"`bash -o pipefail -c` {SCRIPT} ({ARGUMENT})"),
    ("sh -c -e 'ls ${{ x }}'", f"`sh -c -e` {SCRIPT} ({ARGUMENT})"),
    ('bash <<< "ls ${{ x }}"', "`bash` runs this here-string as a script"),
    ("perl -pe 's/a/${{ x }}/' file", f"`perl -pe` {SCRIPT} ({PASS})"),
    (".venv/bin/python -c 'print(${{ x }})'", f"`.venv/bin/python -c` {SCRIPT} ({PASS})"),
    ("perl -e'print ${{ x }}'", f"`perl` {SCRIPT} ({PASS})"),
    ("perl -e 'print ${{ x | json }}'", f"`perl -e` {SCRIPT} ({PASS})"),
    ("ruby -e 'p ${{ x }}'", f"`ruby -e` {SCRIPT} ({PASS})"),
    ("node --eval='f(${{ x }})'", f"`node` {SCRIPT} ({PASS})"),
    ("php -r 'echo ${{ x }};'", f"`php -r` {SCRIPT} ({PASS})"),
    ("python3.12 -Ic 'print(${{ x }})'", f"`python3.12 -Ic` {SCRIPT} ({PASS})"),
    ("python3 -c \"print('${{ x | json }}')\"", f"`python3 -c` {SCRIPT} ({PASS})"),
]


@pytest.mark.parametrize(("script", "message"), REFUSED)
def test_a_value_is_no_part_of_another_program(script: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lift(script, "bash")
    assert message in str(caught.value)
    assert caught.value.offset == script.index("${{")


@pytest.mark.parametrize(
    "script",
    [
        "ssh host \"ls '${{ x | sh }}'\"",
        "sh -c \"echo '${{ x | sh }}'\"",
        'sh -c "echo \\"${{ x | sh }}\\""',
        "sh -c 'echo \\${{ x | sh }}'",
        "ssh host ls \\' ${{ x | sh }}",
    ],
)
def test_a_quoted_value_stands_in_no_quotes(script: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lift(script)
    fact = "${{ x | sh }}: `| sh` makes it a word of its own, and quotes stand around it"
    assert str(caught.value) == f"{fact} (leave the inner quotes out)"


@pytest.mark.parametrize(
    "script",
    [
        "ssh ${{ x }}",
        "ssh -i ${{ key }} ${{ x }}",
        "ssh host ls ${{ x | sh }}",
        "ssh host \"ls ${{ x | sh }} 'b'\"",
        "ssh host ls > ${{ x }}",
        "ssh host 'cat > file' <<EOF\n${{ x }}\nEOF",
        "awk -f p.awk ${{ x }}",
        "awk -v n=${{ x }} '{ print n }'",
        "awk '{ print n }' n=${{ x }} ${{ file }}",
        "awk -F ${{ x }} '{ print $1 }'",
        "awk '{ print $1 }' < ${{ x }}",
        "sed -n '1p' ${{ x }}",
        'sed -n "${{ x | int }}p" file',
        'sed "s/DAY/${{ run.scheduled_at | date }}/" file',
        "sed -f p.sed ${{ x }}",
        "sed -i.bak s/a/b/ ${{ x }}",
        "jq --arg n ${{ x }} .",
        "jq . ${{ x }}",
        "jq -r '.a' --arg n ${{ x }} ${{ file }}",
        "python3 -c 'print(${{ x | int }})'",
        "python3 -c 'import sys; print(sys.argv[1])' ${{ x }}",
        "python3 load.py -c ${{ x }}",
        "python3 -m tool -c ${{ x }}",
        "perl p.pl -e ${{ x }}",
        "perl -ne 'print' ${{ x }}",
        "node server.js --eval ${{ x }}",
        "python3 read.py <<END\n${{ x }}\nEND",
        "sh script.sh ${{ x }}",
        "sh script.sh -c ${{ x }}",
        "cat <<END | sh script.sh\n${{ x }}\nEND",
        "psql -v day=${{ x }} -f load.sql",
        "psql -d ${{ x }} -c 'select 1'",
        'psql -c "copy t from stdin" <<END\n${{ x }}\nEND',
        "mysql -e \"select FROM_BASE64('${{ x | b64encode }}')\"",
        "sqlite3 ${{ x }} 'select 1'",
        "watch -x ls ${{ x }}",
        "parallel gzip ::: ${{ x }}",
        "xargs -I{} cp {} ${{ x }}",
        "apt-get install -y jq ${{ x }}",
        "sudo apt-get install -y awk ${{ x }}",
        "grep -e ${{ x }} file",
        "docker run -e NAME=${{ x }} image",
        "tar -c ${{ x }}",
        "ping -c ${{ x }} host",
        "crontab -l > ${{ x }}",
        "read line < ${{ x }}",
        "which sed ${{ x }}",
        "./script -c ${{ x }}",
        "bin/watch ${{ x }}",
        "env -i NAME=${{ x }} ./load",
        "git commit -m ${{ x }}",
        "curl -d ${{ x }} https://example.com",
        "rsync -e ssh ${{ x }} host:",
        "systemctl restart ${{ x }}",
        "flock /tmp/lock ./load ${{ x }}",
    ],
)
def test_an_argument_is_an_argument(script: str) -> None:
    assert lift(script, "bash").warnings == ()


HOSTILE = 'it\'s "one" $(touch oops) `touch oops` \\(input) & /e\n; touch oops #'


@pytest.mark.parametrize(
    ("tool", "script"),
    [
        ("awk", 'awk \'BEGIN { printf "%s", ENVIRON["V"] }\''),
        ("jq", "jq -nrj --arg x ${{ x }} '$x'"),
        ("python3", "python3 -c 'import sys; print(end=sys.argv[1])' ${{ x }}"),
        ("perl", "perl -e 'print $ARGV[0]' ${{ x }}"),
        ("sh", "sh -c 'printf %s \"$1\"' sh ${{ x }}"),
        ("sh", 'sh -c "printf %s ${{ x | sh }}"'),
        ("sh", "eval printf %s ${{ x | sh }}"),
    ],
)
def test_what_is_recommended_gives_the_value_back(tool: str, script: str, tmp_path: object) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    text, values = lift(script).filled({"x": HOSTILE})
    done = subprocess.run(
        ["sh", "-ec", text],
        env={"PATH": "/usr/bin:/bin", "V": HOSTILE, **values},
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == HOSTILE
    assert subprocess.run(["ls", str(tmp_path)], capture_output=True, check=True).stdout == b""
