"""For people's own tests: the simulation, a virtual clock, a scripted executor, and a contract suite for each protocol.

The suites need pytest and stand in modules of their own: `executor_suite`, `jobstore_suite`, `trigger_suite`.
"""

from runner.clock import VirtualClock
from runner.simulation import Scripted, Simulation, by_step
from runner.testing.scripted import ScriptedExecutor

__all__ = ["Scripted", "ScriptedExecutor", "Simulation", "VirtualClock", "by_step"]
