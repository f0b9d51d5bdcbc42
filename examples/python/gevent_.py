"""A scheduler in a gevent program: jobs are greenlets. Ends with Ctrl-C."""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402 - a patched program is patched first

import gevent  # noqa: E402

from runner.schedulers.gevent import GeventScheduler  # noqa: E402


def greet() -> None:
    print("hello from a greenlet", flush=True)


if __name__ == "__main__":
    scheduler = GeventScheduler()
    scheduler.add_job(greet, "interval", seconds=1)
    greenlet = scheduler.start()
    gevent.signal_handler(signal.SIGINT, scheduler.shutdown)
    greenlet.join()
