"""Whole tables, as people see them."""

# ruff: noqa: E501 - a table is as wide as it is

LIST = """\
JOB      STATE                                SCHEDULE      NEXT                         LAST
etl      failing (2 in a row)                 0 2 * * *     tomorrow 02:00 (in 13h 30m)  ✗ today 02:00:03, 1m 3s
report   scheduled                            after etl     -                            ✓ today 11:02:03, 1m 3s
backup   paused until Tue 01 Dec 08:00        30 3 * * sun  -                            never
ping     scheduled                            */15 * * * *  today 12:45 (in 15m)         > today 12:30, running
legacy   broken: no function app.tasks:clean  0 6 * * *     -                            never
reindex  ready                                by hand       -                            ✓ Sun 22 Nov 09:30, 1m 3s"""

LIST_NARROW = """\
JOB      STATE                       SCHEDULE      NEXT                         LAST
etl      failing (2 in a row)        0 2 * * *     tomorrow 02:00 (in 13h 30m)  ✗ 02:00:03, 1m 3s
report   scheduled                   after etl     -                            ✓ 11:02:03, 1m 3s
backup   paused until Tue 01 Dec 0…  30 3 * * sun  -                            never
ping     scheduled                   */15 * * * *  12:45 (in 15m)               > 12:30, running
legacy   broken: no function app.t…  0 6 * * *     -                            never
reindex  ready                       by hand       -                            ✓ Sun 22 Nov 09:30, 1m 3s"""

NEXT = """\
WHEN                        JOB           NOTE
tomorrow 01:45  in 13h 15m  ping
tomorrow 02:00  in 13h 30m  etl
tomorrow 02:00  in 13h 30m  ping
tomorrow 02:15  in 13h 45m  ping
tomorrow 02:15  in 13h 45m  nightly-copy
tomorrow 02:30  in 14h      ping
tomorrow 02:45  in 14h 15m  ping"""

HISTORY = """\
STATUS       RUN                             SCHEDULED              TOOK  LATE  ATTEMPT  WHY
> running    ping@2026-11-24T11:30:00Z       today 12:30       0s so far              1
✓ succeeded  ping@2026-11-24T11:15:00Z       today 12:15           230ms              1
- skipped    ping@2026-11-24T11:00:00Z       today 12:00                                 an earlier run was still at work
✓ succeeded  report@2026-11-24T10:02:03Z     today 11:02:03        1m 3s              1  after etl
✗ failed     etl@2026-11-24T01:00:00Z        today 02:00           1m 3s    3s        3  exit code 3
- merged     ping@2026-11-23T05:00:00Z       yesterday 06:00                             the one of yesterday 06:15 stands for it
✗ timed out  etl@2026-11-23T01:00:00Z        yesterday 02:00       2h 5m              1  timed out
! missed     ping@2026-11-23T00:00:00Z       yesterday 01:00                             20 times until yesterday 05:45; older than the catch-up window
✓ succeeded  reindex@2026-11-22T08:30:00Z+1  Sun 22 Nov 09:30      1m 3s              1  manual by kari
- skipped    backup@2026-11-22T02:30:00Z     Sun 22 Nov 03:30                            the job was paused"""

RUN = """\
STATUS    STEP  STARTED          TOOK  ATTEMPT  WHY
✗ failed  main  today 02:00:03  1m 3s        3  exit code 3
etl@2026-11-24T01:00:00Z failed after 1m 3s, planned today 02:00, 3s late (exit code 3)"""

WEEK = """\
            00       03       06       09       12       15       18       21          due
today       ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ··      0
tomorrow    ·· ·· ▒▒ ·· ·· ·· ·· ·· ·· ·· ░░ ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ··      3
Thu 26 Nov  ·· ·· ▒▒ ·· ·· ·· ·· ·· ·· ·· ░░ ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ··      3
due in an hour: · none  ░ 1  ▒ 2
busiest: tomorrow 02:00, 2 due: etl, nightly-copy
due all the time, not counted: ping (*/15 * * * *)"""

STATUS = """\
file     /etc/runner/jobs.yaml at commit 1a2b3c4
led by   process 4711 on box since today 12:00 (30m ago), runner 0.1.0
state    /var/lib/runner
config   good, read today 12:29 (1m ago)
store    good
jobs     6
running  ping@2026-11-24T11:30:00Z"""

STATUS_BAD = """\
file      /etc/runner/jobs.yaml
led by    process 4711 on box since today 12:00 (30m ago), runner 0.1.0
state     /var/lib/runner
config    broken since today 12:20 (10m ago); the last good one goes on
store     disk full
jobs      6
running   nothing
waiting   etl@x
stopping  nothing new starts
error[unknown-key]: there is no key 'scheduel'"""
