"""How a key is written, in one line: for `runner schema` and for who wrote it in another way."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "jobs": "jobs: {hello: {schedule: every 5m, run: echo hello}}",
    "concurrency": "concurrency: {overlap: queue, group: db}",
    "catchup": "catchup: {runs: all, window: 2d}",
    "retry": "retry: {max: 5, delay: 10s, backoff: 2, max_delay: 5m}",
    "sla": "sla: {start_within: 15m, success_every: 26h}",
    "notify": "notify: {on_failure: ops, on_recovery: ops}",
    "retention": "retention: {runs: 400, logs: 90d}",
    "steps": "steps: [{id: load, run: ./load}, {id: send, run: ./send}]",
    "params": "params: {day: {type: date, required: true}}",
    "matrix": "matrix: {db: [orders, users]}",
    "foreach": "foreach: [eu, us]",
    "http": "http: {post: https://example.com/hook, json: {done: true}}",
    "with": "with: {day: 2026-12-24}",
    "limits": "limits: {cpus: 1.5, memory: 512M}",
    "success": "success: {exit_codes: [0, 3]}",
    "env": "env: {LANG: C.UTF-8}",
    "only_after": "only_after: {job: etl, within: 2h}",
    "secrets": "secrets: {token: {env: API_TOKEN}}",
    "channels": 'channels: {ops: "log:"}',
    "maintenance": 'maintenance: [{name: upgrade, start: "2026-12-01T22:00+01:00", duration: 4h}]',
    "calendars": "calendars: {norway: {country: NO, weekend: [sat, sun]}}",
    "groups": "groups: {db: {max: 2}}",
    "executors": "executors: {heavy: {max_workers: 1}}",
    "tests": "tests: [{job: etl, fail: {load: 1}, expect: {status: failed, alerts: [ops]}}]",
    "vars": "vars: {keep: 7}",
    "outputs": 'outputs: {rows: "${{ stdout | trim }}"}',
    "artifacts": "artifacts: [report.pdf]",
}
