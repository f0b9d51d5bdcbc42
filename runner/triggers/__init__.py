"""WHEN: pure rules from a moment to the next one."""

from __future__ import annotations

from runner.triggers.base import BaseTrigger, Passed, Trigger
from runner.triggers.load import load, period

__all__ = ["BaseTrigger", "Passed", "Trigger", "load", "period"]
