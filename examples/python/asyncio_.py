"""A scheduler in an asyncio program: coroutine functions run on the program's own loop. Ends with Ctrl-C."""

import asyncio
from contextlib import suppress

from runner.schedulers.asyncio import AsyncIOScheduler


async def fetch(name: str) -> None:
    await asyncio.sleep(0.1)
    print(f"fetched {name}", flush=True)


async def main() -> None:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(fetch, "interval", seconds=1, args=["news"])
    scheduler.start()
    try:
        await asyncio.Event().wait()
    finally:
        scheduler.shutdown()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
