"""What may start after a step of a run that goes well, without looking at all its steps again.

A run goes well while no step has failed, waits for a retry, was skipped or is cancelled, and as long as none has a
condition or instances: then a step may start once the last of its needs has succeeded. `flow.settle` is the whole rule.
"""

from __future__ import annotations

from runner.core.run import Run, Status

_USUAL = (Status.PENDING, Status.RUNNING, Status.SUCCEEDED)


class Progress:
    """How many needs each pending step still waits for, and how many steps are left."""

    __slots__ = ("_followers", "_waits", "left")

    def __init__(self, run: Run) -> None:
        """Of a run that `goes_well`."""
        done = {id for id, state in run.steps.items() if state.status is Status.SUCCEEDED}
        self.left = len(run.steps) - len(done)
        self._followers: dict[str, list[str]] = {}
        self._waits: dict[str, int] = {}
        for step in run.spec.steps:
            waits = [need for need in step.needs if need not in done]
            self._waits[step.id] = len(waits)
            for need in waits:
                self._followers.setdefault(need, []).append(step.id)

    def succeeded(self, id: str) -> list[str]:
        """The steps that may start now that this one has succeeded, in the order of the spec."""
        self.left -= 1
        ready: list[str] = []
        for follower in self._followers.pop(id, ()):
            self._waits[follower] -= 1
            if not self._waits[follower]:
                ready.append(follower)
        return ready


def goes_well(run: Run) -> bool:
    """Whether nothing but success has happened to the run, and its steps ask for nothing but their needs."""
    return all(state.status in _USUAL for state in run.steps.values()) and all(
        step.condition is None and step.foreach is None for step in run.spec.steps
    )
