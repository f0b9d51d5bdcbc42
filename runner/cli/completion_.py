from __future__ import annotations

import click

from runner.cli import frame

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@frame.json_option
def command(shell: str, as_json: bool) -> None:
    """The script that makes a shell complete verbs, options and the jobs of the file.

    \b
    eval "$(runner completion bash)"    # in ~/.bashrc
    eval "$(runner completion zsh)"     # in ~/.zshrc
    runner completion fish > ~/.config/fish/completions/runner.fish
    """
    from click.shell_completion import get_completion_class

    from runner.cli import group

    made = get_completion_class(shell)
    assert made is not None
    script = made(group, {}, "runner", "_RUNNER_COMPLETE").source()
    if as_json:
        frame.print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
