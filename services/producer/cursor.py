"""How far the stream is safely in Kafka: a contiguous prefix of what was read. Pure, thread-safe."""

from __future__ import annotations

import threading
from collections import deque

from services.producer.resume import Position


class Ticket:
    """One event under way; ``done`` is called once for each of its parts."""

    __slots__ = ("_tracker", "position", "remaining")

    def __init__(self, tracker: DeliveryTracker, position: Position | None, parts: int) -> None:
        self._tracker = tracker
        self.position = position
        self.remaining = parts

    def done(self) -> None:
        """One part was acknowledged by the broker, or turned out to need no record."""
        self._tracker.part_done(self)


class DeliveryTracker:
    """The position moves past an event only when it and all before it are done, in whatever order the
    acknowledgements arrive."""

    def __init__(self, start: Position, max_outstanding: int) -> None:
        self._position = start
        self._max_outstanding = max_outstanding
        self._tickets: deque[Ticket] = deque()
        self._changed = threading.Condition()

    def open(self, position: Position | None, parts: int = 1) -> Ticket:
        """Call in the order of reading. ``None``: the event carries no usable position."""
        ticket = Ticket(self, position, parts)
        with self._changed:
            self._tickets.append(ticket)
        return ticket

    def part_done(self, ticket: Ticket) -> None:
        with self._changed:
            ticket.remaining -= 1
            while self._tickets and self._tickets[0].remaining <= 0:
                position = self._tickets.popleft().position
                if position is not None:
                    self._position = position
            self._changed.notify_all()

    @property
    def position(self) -> Position:
        with self._changed:
            return self._position

    @property
    def outstanding(self) -> int:
        with self._changed:
            return len(self._tickets)

    def wait_for_room(self, timeout: float) -> bool:
        """Whether another event may be opened; waits at most ``timeout`` seconds for it."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._tickets) < self._max_outstanding, timeout)

    def wait_until_empty(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._tickets, timeout)
