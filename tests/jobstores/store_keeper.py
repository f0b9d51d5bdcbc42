"""Starts a server and ends it when told on stdin, or when whoever started this is gone: then its directory goes too.

python -S store_keeper.py --user NAME --stop SIGNAL DIRECTORY COMMAND...
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys

user, stop = sys.argv[2], int(sys.argv[4])
where, command = sys.argv[5], sys.argv[6:]
account = pwd.getpwnam(user) if user else None
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
with open(os.path.join(where, "server.log"), "ab") as log:
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=where,
        # SIG_IGN is inherited; servers set their own handlers, but those that do not must still end.
        preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in (1, 2, 15)],
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
word = None
while child.poll() is None and word is None:
    if select.select([sys.stdin], [], [], 0.2)[0]:
        word = sys.stdin.readline()
if child.poll() is None:
    child.send_signal(signal.SIGKILL if word == "kill\n" else stop)
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
if word == "":
    shutil.rmtree(where, ignore_errors=True)
