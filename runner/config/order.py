"""The order in which `runner fmt` puts the keys of a file: what it is, when it runs, what it does, who hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.config.document import FileModel, JobModel, StepModel
from runner.config.document import expected as _expected
from runner.config.document import job as _job
from runner.config.document import policy as _policy
from runner.config.document import root as _root
from runner.config.document import step as _step
from runner.config.document.kinds import Model


@dataclass(frozen=True)
class Shape:
    """A mapping whose keys have an order, and what stands below some of them. `each`: the keys are names people
    chose, in the order they chose; what stands below any of them."""

    keys: tuple[str, ...] = ()
    below: Mapping[str, Shape] = field(default_factory=dict)
    each: Shape | None = None

    def under(self, key: str) -> Shape | None:
        return self.each if self.each is not None else self.below.get(key)

    def ordered(self, keys: list[str]) -> list[str]:
        """The keys in their order: merges first, then `version` and `include`, then notes of the writer, which may
        hold anchors for what follows; what is not known last, as it came."""
        if self.each is not None:
            return keys
        place = {key: number for number, key in enumerate(self.keys)}

        def rank(key: str) -> float:
            if key == "<<":
                return -1
            if key.startswith("x-"):
                return place.get("include", -1) + 0.5
            return place.get(key, len(place))

        return sorted(keys, key=rank)


_WORK = "run command python with http steps"
_AROUND = "shell working_dir user env_file env clean_env limits stop_signal stop_grace_period"
_AFTER = "success outputs artifacts"

JOB_KEYS = (
    "name description owner runbook tags enabled extends matrix vars "
    "schedule timezone after only_after watch webhook params "
    "timeout retry concurrency catchup on_interrupt priority sla executor "
    f"{_AROUND} {_WORK} {_AFTER} notify heartbeat retention"
).split()
STEP_KEYS = (
    "id name needs if foreach matrix max_parallel fail_fast "
    f"{_WORK.removesuffix(' steps')} {_AROUND.replace('env_file ', '')} "
    f"timeout retry executor group continue_on_error {_AFTER}"
).split()
FILE_KEYS = (
    "version include isolate_files vars env env_file secrets channels heartbeat calendars maintenance "
    "executors groups storage defaults templates jobs tests"
).split()


def _plain(model: type[Model], below: Mapping[str, Shape] | None = None) -> Shape:
    """The order in which the model's fields are declared, which is the order they are told in."""
    return Shape(tuple(keys_of(model)), below or {})


def keys_of(model: type[Model]) -> list[str]:
    """The keys people may write in this mapping."""
    return [info.alias or name for name, info in model.model_fields.items() if not info.exclude]


_RETRY = _plain(_policy.RetryModel)
_SUCCESS = _plain(_policy.SuccessModel)
_LIMITS = _plain(_policy.LimitsModel)
_HTTP = _plain(_step.HttpModel)
_ARTIFACTS = _plain(_step.ArtifactsModel)
_RULE = _plain(_policy.RuleModel)
_SHARED = {"retry": _RETRY, "success": _SUCCESS, "limits": _LIMITS, "http": _HTTP, "artifacts": _ARTIFACTS}
STEP = Shape(tuple(STEP_KEYS), _SHARED)
JOB = Shape(
    tuple(JOB_KEYS),
    {
        **_SHARED,
        "steps": STEP,
        "after": _plain(_job.AfterModel),
        "only_after": _plain(_job.OnlyAfterModel),
        "params": Shape(each=_plain(_step.ParamModel)),
        "concurrency": _plain(_policy.ConcurrencyModel),
        "catchup": _plain(_policy.CatchupModel),
        "sla": _plain(_policy.SlaModel),
        "retention": _plain(_policy.RetentionModel),
        "notify": _plain(
            _policy.NotifyModel, dict.fromkeys(("on_failure", "on_recovery", "on_late", "on_success"), _RULE)
        ),
    },
)
_EXPECT = _plain(
    _expected.ExpectModel,
    {"alerts": _plain(_expected.AlertModel), "commands": Shape(each=_plain(_expected.CommandModel))},
)
FILE = Shape(
    tuple(FILE_KEYS),
    {
        "secrets": Shape(each=_plain(_root.SecretModel)),
        "channels": Shape(each=_plain(_root.ChannelModel)),
        "calendars": Shape(each=_plain(_root.CalendarModel)),
        "maintenance": _plain(_root.MaintenanceModel),
        "executors": Shape(each=_plain(_root.ExecutorModel)),
        "storage": _plain(_root.StorageModel),
        "heartbeat": _plain(_root.HeartbeatModel),
        "groups": Shape(each=_plain(_root.GroupModel)),
        "defaults": JOB,
        "templates": Shape(each=JOB),
        "jobs": Shape(each=JOB),
        "tests": _plain(
            _expected.TestModel, {"fail": Shape(each=_plain(_expected.FailModel)), "expect": _EXPECT}
        ),
    },
)
"""Of a list, each item has the shape of the list. A schedule is shown as it was written, so its keys stay."""

ORDERS: Mapping[type[Model], list[str]] = {FileModel: FILE_KEYS, JobModel: JOB_KEYS, StepModel: STEP_KEYS}
"""The orders that are written here, by the models whose keys they have to hold, all of them."""
