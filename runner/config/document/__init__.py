"""The documents people write, as pydantic models: the one place where their text is checked for shape."""

from runner.config.document.expected import ExpectModel, TestModel
from runner.config.document.job import JobModel, ScheduleModel
from runner.config.document.kinds import ID, Model
from runner.config.document.policy import NotifyModel, RetryModel, RuleModel
from runner.config.document.root import FileModel
from runner.config.document.step import HttpModel, ParamModel, StepModel, Work

__all__ = [
    "ID",
    "ExpectModel",
    "FileModel",
    "HttpModel",
    "JobModel",
    "Model",
    "NotifyModel",
    "ParamModel",
    "RetryModel",
    "RuleModel",
    "ScheduleModel",
    "StepModel",
    "TestModel",
    "Work",
]
