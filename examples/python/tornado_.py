"""A scheduler in a Tornado program. Ends with Ctrl-C."""

import asyncio
from contextlib import suppress

from runner.schedulers.tornado import TornadoScheduler


async def clean() -> None:
    print("cleaned", flush=True)


async def main() -> None:
    scheduler = TornadoScheduler()
    scheduler.add_job(clean, "interval", seconds=1)
    scheduler.start()
    try:
        await asyncio.Event().wait()  # in a real program: after http_server.listen(8888)
    finally:
        scheduler.shutdown()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
