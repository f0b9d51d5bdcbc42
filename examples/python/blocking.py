"""A program that is nothing but a scheduler: two jobs by decorator. Ends with Ctrl-C."""

from runner.schedulers.blocking import BlockingScheduler

scheduler = BlockingScheduler()


@scheduler.scheduled_job("interval", seconds=1)
def tick() -> None:
    print("tick", flush=True)


@scheduler.scheduled_job("cron", day_of_week="mon-fri", hour=17)
def end_of_work() -> None:
    print("time to go home", flush=True)


if __name__ == "__main__":
    try:
        scheduler.start()
    except (KeyboardInterrupt, SystemExit):
        scheduler.shutdown()
