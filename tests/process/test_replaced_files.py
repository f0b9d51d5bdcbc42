"""A runner at work whose own files are replaced, as an upgrade does: it loads none of the new ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_httpserver import HTTPServer

from tests.process.conftest import Desk

LISTED = """\
import os
import sys


class Listed:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("runner"):
            with open(os.environ["LOADED"], "a") as file:
                print(name, file=file)


sys.meta_path.insert(0, Listed())
"""
JOBS = """\
channels: {{out: "{channel}"}}
jobs:
  asked:
    schedule: every 9h
    steps:
      - run: echo one
      - http: {{get: "{url}/gone"}}
    notify: {{on_failure: out}}
"""


def test_whatever_is_asked_of_it_no_module_is_loaded_any_more(
    desk: Desk, httpserver: HTTPServer, until: Callable[..., None], tmp_path: Path
) -> None:
    httpserver.expect_request("/gone").respond_with_data("no", status=410)
    httpserver.expect_request("/told", method="POST").respond_with_data("ok")
    address = f"{httpserver.host}:{httpserver.port}"
    site, loaded = tmp_path / "site", tmp_path / "loaded.txt"
    site.mkdir()
    (site / "sitecustomize.py").write_text(LISTED)
    desk.write(JOBS.format(channel="log:", url=f"http://{address}").replace("- http", "- run: 'true' #"))
    served = desk.serve(environ={"PYTHONPATH": str(site), "LOADED": str(loaded)})
    served.wait_for("next: asked")
    assert "runner.executors.http\n" not in loaded.read_text()
    # What an edit brings is loaded with it.
    desk.write(JOBS.format(channel=f"json://{address}/told", url=f"http://{address}"))
    served.wait_for("the file changed: 1 changed")
    for name in ("runner.executors.http\n", "runner.notify.apprise\n"):
        until(lambda name=name: name in loaded.read_text(), name)
    before = loaded.read_text()
    assert desk.runner("run", "asked", check=False).returncode == 1
    until(lambda: any(request.path == "/told" for request, _ in httpserver.log), "the alert")
    desk.runner("list")
    desk.runner("reload")
    assert served.stop() == 0
    assert loaded.read_text()[len(before) :].split() == []
