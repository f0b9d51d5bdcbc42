from __future__ import annotations

import sys

import click

from runner.cli import frame


@click.command("logs")
@click.argument("run", metavar="JOB|RUN")
@frame.file_option
@click.option("--follow", "-F", "growing", is_flag=True, help="go on until the run has ended")
@click.option("--step", metavar="STEP", help="only this step")
@click.option("--times", "-t", is_flag=True, help="say when each line came")
@click.option(
    "--raw", is_flag=True, help="the bytes as they were printed; control characters reach the terminal"
)
@frame.json_option
def command(
    run: str, file: str | None, growing: bool, step: str | None, times: bool, raw: bool, as_json: bool
) -> None:
    """The output of a run, by its id, or of a job's newest run. Works with or without a running service."""
    from runner.core.run import AttemptKey
    from runner.executors.output import lines, path_of, read
    from runner.history import History
    from runner.moment import iso

    place = frame.place_of(file)
    store = frame.open_store(place)
    try:
        history = History(store.engine)
        found = history.find(run, source=place.source)
        if found is None:
            raise frame.fault(
                frame.EXIT_UNKNOWN, f"there is no run {run!r}", hint="runner history lists them"
            )
        if growing:
            _follow(history, place, found.id, step)
            return
        documents = []
        for state in found.steps.values():
            if state.attempt == 0 or (step is not None and state.step != step and state.id != step):
                continue
            label = f"{state.id} | " if len(found.steps) > 1 and step is None else ""
            for attempt in range(1, state.attempt + 1):
                path = path_of(place.state, AttemptKey(found.key, state.id, attempt))
                if raw:
                    sys.stdout.buffer.write(read(path))
                    continue
                if state.attempt > 1 and not as_json:
                    click.echo(f"── {state.id}, attempt {attempt}", err=True)
                for line in lines(path):
                    if as_json:
                        documents.append(
                            {
                                "step": state.id,
                                "attempt": attempt,
                                "at": iso(line.at),
                                "stream": line.stream,
                                "text": line.text,
                            }
                        )
                    else:
                        stamp = (
                            f"{iso(line.at)[11:23]} {'!' if line.stream == 'stderr' else ' '} "
                            if times
                            else ""
                        )
                        click.echo(f"{stamp}{label}{line.text}")
        if as_json:
            frame.print_json({"run": found.id, "lines": documents})
    finally:
        store.close()


def _follow(history: object, place: object, run: str, step: str | None) -> None:
    from runner.history import History
    from runner.service.follow import Follower, follow_elsewhere
    from runner.service.place import Place

    assert isinstance(history, History)
    assert isinstance(place, Place)
    follower = Follower(place.state, sys.stdout, sys.stderr, step=step)
    try:
        follow_elsewhere(history, place, run, follower)
    except KeyboardInterrupt:
        return
    finally:
        follower.close()
