"""Pipelines to the servers that have the keys, repeated within a time limit while those fail over."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from shared.errors import StoreUnavailable
from shared.resilience.backoff import Backoff
from shared.vector_store.redis_store.failures import (
    ClientError,
    FunctionMissing,
    is_passing,
    meaning,
    unavailable,
)
from shared.vector_store.redis_store.keys import Command
from shared.vector_store.redis_store.library import LIBRARY
from shared.vector_store.redis_store.route import Route, find_route

Work = Mapping[str, Sequence[Command]]
"""Commands for each key: the key decides the server, and the commands run in order on one connection."""

_ALREADY_LOADED = "already exists"


@dataclass(slots=True)
class _Lane:
    key: str
    commands: list[Command]
    replies: list[Any] = field(default_factory=list)

    @property
    def remaining(self) -> list[Command]:
        return self.commands[len(self.replies) :]


class Servers:
    """Safe to use from several threads; each call takes connections of its own from the pools."""

    def __init__(self, url: str, password: str | None, timeout: float) -> None:
        """``timeout`` in seconds, for each call as a whole.

        :raises StoreUnavailable: nothing answers.
        :raises ConfigurationError: the server refuses the user.
        """
        self.url = url
        self.timeout = timeout
        self._closed = False
        self._route = self._connect(password)

    def _connect(self, password: str | None) -> Route:
        deadline = _Deadline(self.timeout)
        while True:
            try:
                return find_route(self.url, password, self.timeout)
            except ClientError as error:
                if not is_passing(error):
                    raise meaning(error, self.url) from None
                if not deadline.wait():
                    raise unavailable(self.url, self.timeout, error) from None

    def run(self, work: Work) -> dict[str, list[Any]]:
        """The replies for each key. What was running when a connection broke is sent again, so every
        command must be one that may be repeated.

        :raises StoreUnavailable: not all commands were answered within the time limit.
        """
        lanes = [_Lane(key, list(commands)) for key, commands in work.items()]
        deadline = _Deadline(self.timeout)
        while unfinished := [lane for lane in lanes if lane.remaining]:
            if self._closed:
                raise StoreUnavailable("the vector store is closed")
            problem = self._attempt(unfinished)
            if problem is None:
                continue
            if not deadline.wait():
                raise unavailable(self.url, self.timeout, problem)
            self._route.refresh()
        return {lane.key: lane.replies for lane in lanes}

    def one(self, key: str, command: Command) -> Any:
        return self.run({key: [command]})[key][0]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._route.close()

    def _attempt(self, lanes: list[_Lane]) -> BaseException | None:
        """Send everything, then read everything, so that the servers work side by side. Returns a passing
        error, if there was one."""
        problem: BaseException | None = None
        under_way: list[tuple[_Lane, redis.ConnectionPool, Any]] = []
        connection: Any  # the library has no types for pipelines
        try:
            for lane in lanes:
                try:
                    pool = self._route.pool_of(lane.key)
                    connection = pool.get_connection()
                    under_way.append((lane, pool, connection))
                    connection.send_packed_command(connection.pack_commands(lane.remaining))
                except ClientError as error:
                    problem = self._passing(error)
            while under_way:
                lane, pool, connection = under_way[-1]
                problem = self._read(lane, connection) or problem
                under_way.pop()
                pool.release(connection)
        finally:
            for _, pool, connection in under_way:
                connection.disconnect()
                pool.release(connection)
        return problem

    def _read(self, lane: _Lane, connection: Any) -> BaseException | None:
        """Read the lane's replies up to the first error; a passing one is returned."""
        try:
            for _ in lane.remaining:
                lane.replies.append(connection.read_response())
        except ClientError as error:
            connection.disconnect()  # the replies behind the error are of no use
            try:
                return self._passing(error)
            except FunctionMissing:
                return self._load_library(connection)
        return None

    def _passing(self, error: BaseException) -> BaseException:
        if is_passing(error):
            return error
        raise meaning(error, self.url) from None

    def _load_library(self, connection: Any) -> BaseException | None:
        try:
            connection.connect()
            connection.send_command("FUNCTION", "LOAD", LIBRARY)
            connection.read_response()
        except ClientError as error:
            if _ALREADY_LOADED not in str(error):  # by another process, just now
                return self._passing(error)
        return None


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._backoff = Backoff(0.05, 0.5, random.Random())  # noqa: S311 - jitter

    def wait(self) -> bool:
        """Sleep before the next attempt; false once the time is over."""
        left = self._end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, 0.01 + self._backoff.next_delay()))
        return True
