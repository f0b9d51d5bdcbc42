"""Where the two libraries differ: which observation of which program, and under which heading users read why."""

MORE_WORDS = "Messages of errors"
"""Errors of the same kind whose text says more: the heading."""

TEXTS = {
    "crontab_texts",
    "wrong_values",
    "wrong_arguments_are_refused_at_once",
    "wrong_defaults",
    "wrong_configuration",
    "calendar_intervals",
}
"""Programs in which errors of the same kind may have other texts."""

_TUPLE = "Arguments are a tuple"
_WRONG = "What is refused at once"
_ZONES = "Time zones"
_TEXT_OF_CALENDAR = "Calendar intervals"

KNOWN: dict[str, dict[int, str]] = {
    "wrong_arguments_are_refused_at_once": {21: _WRONG, 61: _ZONES},
    "wrong_configuration": {7: _ZONES},
    "names_of_callables": {7: "Objects that can be called"},
    "attributes_are_changed": {18: _TUPLE, 31: _TUPLE, 44: _TUPLE},
    "pending_jobs_are_changed_and_removed": {1: _TUPLE, 11: _TUPLE},
    "what_a_store_cannot_keep": dict.fromkeys((0, 1, 2), "Functions a store cannot keep"),
    "what_is_submitted": {1: "One SUBMITTED for each run"},
    "an_executor_that_is_not_there": dict.fromkeys((0, 1), "An executor that is not there"),
    "a_moved_interval_is_resumed": {0: "An interval that was moved"},
    "moments_given_in_another_zone": dict.fromkeys((1, 3), "The zone in which a moment is shown"),
    "a_job_for_now_that_waits_for_the_start": {0: "A job for now, added before the start"},
    "another_trigger_without_another_time": {1: "Another trigger by `modify`"},
    "jitter": {1: "Jitter"},
    "cron_triggers": {42: "Month and weekday names with a step", 43: "Month and weekday names with a step"},
    "calendar_intervals": dict.fromkeys((0, 6, 12, 18, 24), _TEXT_OF_CALENDAR),
}
"""Program, observation, heading in docs/migrating.md."""
