"""Jobs, runs and alerts in Redis: a hash for each table of a source, one script for each turn.

Redis answers a script before the disk does unless it runs with `appendonly yes` and `appendfsync always`; only then is
a run that began on record after a power cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis

from runner.jobstores.base import Fence
from runner.jobstores.clients import given
from runner.jobstores.keyed import ANYWHERE, KeyedJobStore, asked_of, lost
from runner.jobstores.keyed_rows import Put, Row
from runner.jobstores.notice import TICK, Ear
from runner.jobstores.pickled import Codec, CodecName
from runner.moment import Span

_COMMIT = """
local source, number, guards = ARGV[1], ARGV[2], tonumber(ARGV[3])
if source ~= '' and redis.call('HGET', KEYS[1], source) ~= number then return -1 end
local at, there = 4, {}
for index = 1, guards do
  if redis.call('HEXISTS', ARGV[at], ARGV[at + 1]) == 1 then there[#there + 1] = index - 1 end
  at = at + 2
end
if #there > 0 then return there end
while at <= #ARGV do
  if ARGV[at + 2] == '' then redis.call('HDEL', ARGV[at], ARGV[at + 1])
  else redis.call('HSET', ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
  at = at + 3
end
return there
"""
_TAKE = """
local owner = redis.call('GET', KEYS[2])
if owner == ARGV[2] then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return tonumber(redis.call('HGET', KEYS[1], ARGV[1]))
end
if owner then return -1 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
"""
_END = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[3] and redis.call('GET', KEYS[2]) == ARGV[2] then
  redis.call('DEL', KEYS[2])
  redis.call('PUBLISH', ARGV[4], ARGV[1])
end
"""


class RedisJobStore(KeyedJobStore):
    """`host`, `port` and other arguments as redis-py takes them, or a `url` (`redis://host:6379/0`), or a `client`.

    All keys begin with `{jobs_key}`; `run_times_key` is accepted and means nothing: run times stand with the jobs. A
    client must answer with text (`decode_responses=True`).
    """

    errors = (OSError, redis.RedisError)
    unreachable = (OSError, redis.ConnectionError, redis.TimeoutError)
    refused = (redis.AuthenticationError,)

    def __init__(
        self,
        db: int = 0,
        jobs_key: str = "runner",
        run_times_key: str | None = None,
        pickle_protocol: int | None = None,
        *,
        url: str | None = None,
        client: Any = None,
        codec: CodecName = "json",
        alias: str = "default",
        **connect_args: Any,
    ) -> None:
        if not jobs_key:
            raise ValueError('The "jobs_key" parameter must not be empty')
        super().__init__(alias, Codec.of(codec, pickle_protocol))
        self._url = url
        self._given = given(client)
        self._arguments = {"socket_timeout": 5, "socket_connect_timeout": 5, "db": int(db), **connect_args}
        self._prefix = "{" + jobs_key + "}"
        self._client: Any = self._given

    def _connect(self) -> None:
        if self._given is None:
            arguments: dict[str, Any] = {**self._arguments, "decode_responses": True}
            url = self._url
            if url:
                del arguments["db"]  # The URL says which, or it is the first.
            self._client = redis.Redis.from_url(url, **arguments) if url else redis.Redis(**arguments)
        self._client.ping()
        self._commit_script = self._client.register_script(_COMMIT)
        self._take_script = self._client.register_script(_TAKE)
        self._end_script = self._client.register_script(_END)

    def _disconnect(self) -> None:
        if self._given is None:
            self._client.close()

    def _commit(self, fence: Fence | None, absent: Sequence[Row], puts: Sequence[Put]) -> Sequence[Row]:
        arguments: list[Any] = [fence.source if fence else "", fence.number if fence else 0, len(absent)]
        for row in absent:
            arguments += (self._hash(row.table, row.source), row.key)
        for row, text in puts:
            arguments += (self._hash(row.table, row.source), row.key, text or "")
        pipeline = self._client.pipeline(transaction=True)
        for source in {put.row.source for put in puts} - {ANYWHERE}:
            pipeline.sadd(self._name("sources"), source)
        self._commit_script(keys=[self._name("fences")], args=arguments, client=pipeline)
        # Told even if the script refuses: whoever hears it looks, and finds nothing.
        knocks = asked_of(puts)
        for source in knocks:
            pipeline.publish(self._name("knocks"), source)
        answers = pipeline.execute()
        there = answers[len(answers) - 1 - len(knocks)]
        if there == -1:
            assert fence is not None
            raise lost(fence)
        return [absent[index] for index in there]

    def _all(self, source: str, *tables: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        pipeline = self._client.pipeline(transaction=True)
        for table in tables:
            pipeline.hgetall(self._hash(table, source))
        return {table: list(rows.items()) for table, rows in zip(tables, pipeline.execute(), strict=True)}

    def _get(self, row: Row) -> str | None:
        found: str | None = self._client.hget(self._hash(row.table, row.source), row.key)
        return found

    def _sources(self) -> Sequence[str]:
        return sorted(self._client.smembers(self._name("sources")))

    def _take(self, source: str, owner: str, lease: Span) -> int | None:
        keys = [self._name("fences"), self._name("lease", source), self._name("sources")]
        number = int(self._take_script(keys=keys, args=[source, owner, lease // 1000]))
        return None if number < 0 else number

    def _end(self, fence: Fence) -> None:
        keys = [self._name("fences"), self._name("lease", fence.source)]
        self._end_script(keys=keys, args=[fence.source, fence.owner, fence.number, self._name("knocks")])

    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        with self._client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self._name("knocks"))
            yield
            while not ear.closed.is_set():
                message = channel.get_message(timeout=TICK)
                if message is not None and message["data"] == source:
                    yield

    def _hash(self, table: str, source: str) -> str:
        return self._name(table, source)

    def _name(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))
