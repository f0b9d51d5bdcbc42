"""WHAT IS WRONG around a runner: looked at from outside, and told in plain words. Nothing is made, led or changed."""

from runner.doctor.case import Case
from runner.doctor.examine import examine
from runner.doctor.finding import Finding

__all__ = ["Case", "Finding", "examine"]
