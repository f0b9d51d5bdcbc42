"""Where an attempt lies on disk. Names are derived from keys by hash: never made of text people wrote."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from runner.core.run import AttemptKey, RunKey


@lru_cache(maxsize=4096)
def attempt_id(key: AttemptKey) -> str:
    """The opaque name of an attempt: 32 hex digits, the same in every process."""
    run = key.run
    return _digest(run.job.source, run.job.id, str(run.slot), run.nonce, key.step, str(key.attempt))


@lru_cache(maxsize=4096)
def run_id(key: RunKey) -> str:
    """The opaque name of a run: 32 hex digits, the same in every process."""
    return _digest(key.job.source, key.job.id, str(key.slot), key.nonce)


def attempt_path(state_dir: Path, key: AttemptKey) -> str:
    """Where an attempt keeps its marks while it is under way; marks.py says in which form.

    A text, and so are the others here: a Path costs more to make than a pipe, and each command needs several.
    """
    return f"{state_dir}/runs/{attempt_id(key)}"


def scratch_dir(state_dir: Path, key: RunKey) -> str:
    """The private directory of a run that its steps share: `run.dir`, `$RUNNER_RUN_DIR`."""
    return f"{state_dir}/scratch/{run_id(key)}"


def log_file(state_dir: Path, key: AttemptKey) -> str:
    """Where what the attempt prints goes; output.py reads it."""
    name = attempt_id(key)
    return f"{state_dir}/logs/{name[:2]}/{name}.log"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
