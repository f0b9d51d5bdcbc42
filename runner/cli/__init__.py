"""The command line: one file per verb, loaded when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from runner import __version__
from runner.errors import RunnerError

SECTIONS: dict[str, dict[str, str]] = {
    "The file": {
        "init": "write a first jobs.yaml",
        "validate": "check the file and say everything that is wrong with it",
        "schema": "what may stand in the file, as JSON Schema or in words",
        "explain": "a job after merging, and where each value came from",
        "fmt": "put the file into its one form",
        "test": "play the tests of the file",
        "simulate": "what the jobs would do in a stretch of time",
        "plan": "what an edit of the file does, before it is live",
        "import": "take over a crontab, files of yacron or Dagu, APScheduler jobs",
    },
    "Running it": {
        "serve": "run the jobs of the file until stopped",
        "run": "run one job now, in the foreground",
    },
    "What is, was and will be": {
        "list": "the jobs, their state and when they run next",
        "next": "the coming occurrences",
        "calendar": "how busy the coming days are",
        "history": "past runs",
        "logs": "the output of a run",
        "why": "why a job did or did not run at a moment",
    },
    "Asking the running service": {
        "status": "who runs this file, since when, and how it is",
        "trigger": "run a job now",
        "stop": "cancel a run",
        "pause": "stop scheduling a job until it is resumed",
        "resume": "go on scheduling a paused job",
        "reload": "read the file again",
    },
    "The program": {
        "doctor": "look at all a runner stands on, and say what is wrong",
        "db": "look after the database: check, back up, restore, export, import, copy",
        "completion": "the script that makes a shell complete verbs and jobs",
        "version": "the version of this program",
    },
}
VERBS: dict[str, str] = {verb: what for verbs in SECTIONS.values() for verb, what in verbs.items()}


class Verbs(click.Group):
    """Loads `runner.cli.<verb>` only when that verb is called: `--help` and `--version` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"runner.cli.{cmd_name}_")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for name, verbs in SECTIONS.items():
            with formatter.section(name):
                formatter.write_dl([(f"{verb:10}", what) for verb, what in verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            hint = f"did you mean {near[0]}?" if near else "runner --help lists them"
            error = RunnerError(f"there is no verb {args[0]!r}", hint=hint)
            error.exit_code = 2
            raise error
        return super().resolve_command(ctx, args)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner", message="%(prog)s %(version)s")
def group() -> None:
    """Run the jobs of a jobs.yaml on time, and tell when one fails.

    \b
    runner init && runner serve     # a first file, and run it
    runner validate                 # every mistake at once, and what to type instead
    runner VERB --help              # all about a verb, with examples
    """


def _open_streams() -> None:
    """Have something behind each standard stream that was closed (`>&-`): else the next file that is opened, the
    database say, takes its place, and what is printed lands there."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _drop_output() -> None:
    """Let what could not be written go, so that the interpreter does not stumble over it once more at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def main(args: list[str] | None = None) -> Any:
    """The entry point. Exit codes: docs/reference.md (Exit codes)."""
    _open_streams()
    try:
        code = group.main(args, prog_name="runner", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except RunnerError as error:
        click.echo(
            f"runner: {error.fact}" if not error.place else f"runner: {error.place}: {error.fact}", err=True
        )
        if error.hint:
            click.echo(f"  help: {error.hint}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    except OSError as error:
        # What RunnerErrors do not tell of is mostly stdout itself: a full disk behind a redirection.
        words = error.strerror or str(error)
        click.echo(f"runner: {error.filename or 'reading or writing failed'}: {words}", err=True)
        _drop_output()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
