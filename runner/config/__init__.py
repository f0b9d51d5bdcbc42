"""YAML text to specifications, or a good error: a place, a fact, a hint for every problem in one pass."""

from runner.config.expected import Expected
from runner.config.files import looked_at
from runner.config.kept import Cache
from runner.config.load import load
from runner.config.model import Channel, Config, Executor

__all__ = ["Cache", "Channel", "Config", "Executor", "Expected", "load", "looked_at"]
