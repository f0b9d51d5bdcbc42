"""The program of a Python step's own process: calls one function, and writes what came of it to a file.

It is run by its path and imports nothing of this package, so that it starts in a few milliseconds. Its one
argument is the attempt's private directory.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import pickle
import runpy
import signal
import sys
import threading
import traceback
from typing import Any

CALL = "call"
RESULT = "result"
JSON_HINT = "return numbers, texts, lists and dicts"
LINGER = 5.0
"""Seconds that threads the function left behind may go on before the process ends all the same."""


def main(directory: str) -> int:
    """Call it; the exit code says whether it went well."""
    signal.signal(signal.SIGTERM, _stop)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both are there: the parent gave them
    with open(os.path.join(directory, CALL), "rb") as file:
        # The path comes first: what the arguments are made of may have to be imported from there.
        sys.path[:0] = json.loads(file.readline())
        main_file, target, args, kwargs = pickle.load(file)
    code, result = _called(main_file, target, args, kwargs)
    sys.stdout.flush()
    sys.stderr.flush()
    path = os.path.join(directory, RESULT)
    with open(f"{path}.new", "w", encoding="utf-8") as file_out:
        file_out.write(json.dumps({**result, "done": True}))
    os.replace(f"{path}.new", path)
    _leave_by(code)
    return code


def _called(main_file: str, target: str, args: Any, kwargs: Any) -> tuple[int, dict[str, Any]]:
    try:
        value = _resolve(main_file, target)(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        return _returned(value)
    except SystemExit as leave:
        if leave.code is None or leave.code == 0:
            return 0, {}
        if isinstance(leave.code, int):
            return leave.code & 0xFF, {"error": f"sys.exit({leave.code})"}
        print(leave.code, file=sys.stderr)
        return 1, {"error": f"sys.exit: {leave.code}"}
    except BaseException as error:
        text = "".join(traceback.format_exception(_without_ours(error)))
        print(text, end="", file=sys.stderr)
        return 1, {"error": said(error), "traceback": text}


def _returned(value: Any) -> tuple[int, dict[str, Any]]:
    if not isinstance(value, dict):
        return 0, {}
    try:
        return 0, {"value": json.loads(json.dumps(value))}
    except (TypeError, ValueError, RecursionError) as error:
        return 1, {"error": f"the dict it returned is no JSON: {error} ({JSON_HINT})"}


def said(error: BaseException) -> str:
    """An exception in one line."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def _without_ours(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__ and trace.tb_next:
        trace = trace.tb_next
    return error.with_traceback(trace)


def _resolve(main_file: str, target: str) -> Any:
    module, _, name = target.partition(":")
    if module == "__main__":
        found: Any = type(sys)("__runner_main__")
        found.__dict__.update(runpy.run_path(main_file, run_name="__runner_main__"))
    else:
        found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _stop(number: int, frame: object) -> None:
    # Raised, so that `finally` and `with` of the function do their work.
    raise SystemExit(128 + number)


def _leave_by(code: int) -> None:
    def leave() -> None:
        print(f"threads were still running {LINGER:g} s after the function returned", file=sys.stderr)
        sys.stderr.flush()
        os._exit(code)

    timer = threading.Timer(LINGER, leave)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
