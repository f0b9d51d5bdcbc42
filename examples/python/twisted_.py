"""A scheduler in a Twisted program. Ends with Ctrl-C."""

from twisted.internet import reactor

from runner.schedulers.twisted import TwistedScheduler


def poll() -> None:
    print("polled", flush=True)


if __name__ == "__main__":
    scheduler = TwistedScheduler()
    scheduler.add_job(poll, "interval", seconds=1)
    scheduler.start()
    reactor.addSystemEventTrigger("before", "shutdown", scheduler.shutdown, wait=False)  # type: ignore[arg-type]
    reactor.run()  # type: ignore[misc]
