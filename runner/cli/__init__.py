"""The command line: one file per verb, loaded when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from runner import __version__
from runner.errors import RunnerError

VERBS: dict[str, str] = {
    "init": "write a first jobs.yaml",
    "validate": "check a jobs file and say everything that is wrong with it",
    "simulate": "what the jobs would do in a stretch of time",
    "explain": "a job after merging, and where each value came from",
    "fmt": "put a jobs file into its one form",
    "test": "play the tests of a jobs file",
    "plan": "what an edit of the file does, before it is live",
    "serve": "run the jobs of a file until stopped",
    "run": "run one job now, in the foreground",
    "list": "the jobs, their state and when they run next",
    "next": "the coming occurrences",
    "history": "past runs",
    "logs": "the output of a run",
    "why": "why a job did or did not run at a moment",
    "calendar": "how busy the coming days are",
    "trigger": "ask the running service to run a job now",
    "pause": "stop scheduling a job until it is resumed",
    "resume": "go on scheduling a paused job",
    "stop": "cancel a run",
    "reload": "make the running service read its file again",
    "db": "look after the database: check, backup, restore, export, import, copy",
    "status": "who runs this file, since when, and how it is",
    "import": "take over the jobs of APScheduler 3 or of a crontab",
    "schema": "the JSON Schema of the jobs file",
    "version": "the version of this program",
}


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
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no verb {args[0]!r}{hint} (runner --help lists them)")
        return super().resolve_command(ctx, args)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runner", message="%(prog)s %(version)s")
def group() -> None:
    """Run the jobs of a jobs.yaml on time, and tell when one fails."""


def main(args: list[str] | None = None) -> Any:
    """The entry point. Exit codes: docs/reference.md (Exit codes)."""
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
        code = getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
