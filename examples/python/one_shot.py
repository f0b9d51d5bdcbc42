"""Run a function once, at a given time. Ends with Ctrl-C."""

import datetime

from runner.schedulers.blocking import BlockingScheduler


def job2(text: str) -> None:
    print("job2", datetime.datetime.now(), text)


if __name__ == "__main__":
    scheduler = BlockingScheduler()
    scheduler.add_job(
        job2, "date", run_date=datetime.datetime(2030, 2, 25, 19, 5, 6), args=["text"], id="job2"
    )
    scheduler.start()
