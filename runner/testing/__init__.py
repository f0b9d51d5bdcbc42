"""For people's own tests: the simulation, a virtual clock, and a contract suite for each protocol."""

from runner.clock import VirtualClock
from runner.simulation import Scripted, Simulation, by_step

__all__ = ["Scripted", "Simulation", "VirtualClock", "by_step"]
