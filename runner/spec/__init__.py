"""WHAT people say: frozen slotted values, one set for YAML and for the Python interface."""

from runner.spec.job import After, JobKey, JobSpec, OnlyAfter, Param
from runner.spec.notify import Notify, Rule
from runner.spec.policy import Catchup, Concurrency, Policy, Retention, Retry, Sla
from runner.spec.step import Call, Command, Foreach, Http, Limits, Step, Success, Work, is_text, nothing

__all__ = [
    "After",
    "Call",
    "Catchup",
    "Command",
    "Concurrency",
    "Foreach",
    "Http",
    "JobKey",
    "JobSpec",
    "Limits",
    "Notify",
    "OnlyAfter",
    "Param",
    "Policy",
    "Retention",
    "Retry",
    "Rule",
    "Sla",
    "Step",
    "Success",
    "Work",
    "is_text",
    "nothing",
]
