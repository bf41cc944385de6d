"""Faults at random moments, several at a time, each noted with its time.

A fault is a generator: it breaks something, yields the seconds after which it wants to go on, and has
mended everything when it ends.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from tests.chaos.feeder import Feeder
from tests.chaos.rig import Rig
from tests.support.stack_processes import StackProcess

Steps = Generator[float, None, None]
Fault = Callable[["Chaos"], Steps]

_TURN = 0.05
_BETWEEN_LOOKS = 1.0
_FOR_ANSWERS = 1.0
_SESSION = 6.0
"""Seconds: ``GROUP_SETTINGS``."""


class Chaos:
    """Used from one thread. Every kind of fault comes up in each round, in random order."""

    def __init__(self, rig: Rig, feeder: Feeder, rng: random.Random, pause: tuple[float, float]) -> None:
        self.rig = rig
        self.feeder = feeder
        self.rng = rng
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}
        self._pause = pause
        self._started = time.monotonic()
        self._pending: list[tuple[float, int, Steps]] = []
        self._order = itertools.count()
        self._taken: set[str] = set()
        self._next_fault = self._started + rng.uniform(*pause)
        self._round: list[tuple[str, Fault]] = []
        self.stalls = 0
        """How often the broker's defect stopped the group, and the broker was restarted for it."""
        self._next_look = self._started
        self._freed_from: str | None = None

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    def note(self, what: str) -> None:
        self.notes.append(f"{time.monotonic() - self._started:7.2f} s  {what}")

    def breathe(self, seconds: float = _TURN) -> None:
        time.sleep(seconds)

    def step(self, *, more: bool) -> None:
        """What is due now; new faults only if ``more``."""
        now = time.monotonic()
        for line in self.rig.revive():
            self.note(line)
        while self._pending and self._pending[0][0] <= now:
            self._advance(heapq.heappop(self._pending)[2])
        if now >= self._next_look:
            self._next_look = now + _BETWEEN_LOOKS
            self._free_a_stalled_group()
        if more and now >= self._next_fault:
            self._next_fault = now + self.rng.uniform(*self._pause)
            name, fault = self._draw()
            self.counts[name] = self.counts.get(name, 0) + 1
            self._advance(fault(self))

    def take_processors(self, *, all_of_them: bool = False) -> list[StackProcess]:
        """One running processor, or all, that no other fault has in hand; give them back afterwards."""
        free = [
            process
            for process in (*self.rig.processors, *self.rig.spares)
            if process.alive and process.wanted and process.name not in self._taken
        ]
        taken = free if all_of_them else self.rng.sample(free, min(1, len(free)))
        self._taken |= {process.name for process in taken}
        return taken

    def give_back(self, *processes: StackProcess) -> None:
        self._taken -= {process.name for process in processes}

    def take_spare(self) -> StackProcess | None:
        free = [spare for spare in self.rig.spares if not spare.alive and spare.name not in self._taken]
        if not free:
            return None
        self._taken.add(free[0].name)
        return free[0]

    @contextmanager
    def told_on_failure(self, run: str) -> Iterator[None]:
        """``run`` says how to repeat it."""
        try:
            yield
        except BaseException as error:
            error.add_note(f"{run}\n{self._report()}")
            raise

    def _report(self) -> str:
        logs = "\n".join(f"--- {process.log}\n{process.last_lines()}" for process in self.rig.services)
        return "\n".join([f"{len(self.notes)} notes:", *self.notes, logs])

    def _free_a_stalled_group(self) -> None:
        """Do what an operator would, but only for the broker's own defect (``broker_groups``): a group that
        is without partitions for any other reason stays so, and the run fails."""
        group = self.rig.broker.group(self.rig.kafka.group_id) if self.rig.broker.process.wanted else None
        # What is kept changes only when a member speaks to the restarted broker.
        if group is None or not group.stalled or group.leader == self._freed_from:
            return
        self._freed_from = group.leader
        self.stalls += 1
        self.note("the broker's group waits for a leader that left")
        self._advance(restart_the_broker(self))

    def _draw(self) -> tuple[str, Fault]:
        if not self._round:
            every = [*FAULTS, *self.rig.store.faults]
            self._round = [(fault.__name__.strip("_"), fault) for fault in every]
            self.rng.shuffle(self._round)
        return self._round.pop()

    def _advance(self, steps: Steps) -> None:
        for seconds in steps:
            heapq.heappush(self._pending, (time.monotonic() + seconds, next(self._order), steps))
            return


def kill_a_processor(chaos: Chaos) -> Steps:
    for process in chaos.take_processors():
        process.kill()
        chaos.note(f"kill -9 {process.name}")
        yield chaos.rng.uniform(0.2, 5)
        process.start()
        chaos.note(f"{process.name} is started again")
        chaos.give_back(process)


def kill_all_processors_at_work(chaos: Chaos) -> Steps:
    """Records pile up first, so that much is in flight; a commit is due at once, too."""
    processors = chaos.take_processors(all_of_them=True)
    names = ", ".join(process.name for process in processors)
    for process in processors:
        process.freeze()
    yield chaos.rng.uniform(1, 3)
    for process in processors:
        process.thaw()
    yield chaos.rng.uniform(0, 0.6)
    for process in processors:
        process.kill()
    chaos.note(f"kill -9 {names} at work")
    yield chaos.rng.uniform(0.2, 3)
    for process in processors:
        process.start()
    chaos.give_back(*processors)


def kill_the_api(chaos: Chaos) -> Steps:
    if not chaos.rig.api.alive:
        return
    chaos.rig.api.kill()
    chaos.note("kill -9 api")
    yield chaos.rng.uniform(0.1, 1)
    chaos.rig.api.start()


def restart_the_broker(chaos: Chaos) -> Steps:
    """Between two produce requests, which this broker needs: see ``durable_broker``. Fetches, commits and
    heartbeats are cut off, and what is sent while it is away waits in the clients."""
    broker = chaos.rig.broker
    if not broker.process.wanted:
        return
    broker.process.wanted = False
    chaos.feeder.pause()
    while not chaos.feeder.idle:
        yield 0.05
    processors = [
        process
        for process in (*chaos.rig.processors, *chaos.rig.spares)
        if process.alive and not process.frozen
    ]
    for process in processors:
        process.freeze()
    chaos.breathe(_FOR_ANSWERS)
    broker.kill()
    chaos.note("kill -9 broker")
    for process in processors:
        process.thaw()
    chaos.feeder.resume()
    yield chaos.rng.uniform(0.2, 4)
    broker.start()
    chaos.note("the broker is back, with its data")


def freeze_a_processor(chaos: Chaos) -> Steps:
    """Longer than its session: it wakes up as a member that has been thrown out, in mid-work."""
    for process in chaos.take_processors():
        process.freeze()
        chaos.note(f"SIGSTOP {process.name}")
        yield _SESSION + chaos.rng.uniform(1, 5)
        process.thaw()
        chaos.note(f"SIGCONT {process.name}")
        chaos.give_back(process)


def replace_a_processor(chaos: Chaos) -> Steps:
    for process in chaos.take_processors():
        process.ask_to_stop()
        chaos.note(f"SIGTERM {process.name}")
        while process.alive:
            yield 0.1
        yield chaos.rng.uniform(0, 3)
        process.start()
        chaos.note(f"{process.name} is started again")
        chaos.give_back(process)


def scale_out_and_in(chaos: Chaos) -> Steps:
    spare = chaos.take_spare()
    if spare is None:
        return
    spare.start()
    chaos.note(f"{spare.name} joins the group")
    yield chaos.rng.uniform(6, 15)
    spare.ask_to_stop()
    chaos.note(f"SIGTERM {spare.name}")
    while spare.alive:
        yield 0.1
    chaos.give_back(spare)


FAULTS: tuple[Fault, ...] = (
    kill_a_processor,
    kill_all_processors_at_work,
    kill_the_api,
    restart_the_broker,
    freeze_a_processor,
    replace_a_processor,
    scale_out_and_in,
)
