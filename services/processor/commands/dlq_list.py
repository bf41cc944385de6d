"""``dlq list``: the dead letters, newest last, and how many of each reason."""

from __future__ import annotations

import heapq
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.processor.commands.dead_letters import DeadLetter, dead_letter
from services.processor.commands.terminal import printable, printable_bytes, table
from services.processor.commands.topic_scan import OpenTopic, read_records
from shared.events import format_time

_HEADINGS = ("place", "when", "reason", "origin", "key", "bytes", "detail")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters; ``None`` means any. Of those the newest ``limit`` are shown, but all are counted."""

    reason: str | None = None
    since: datetime | None = None
    limit: int = 50

    def matches(self, letter: DeadLetter) -> bool:
        return (self.reason is None or letter.reason == self.reason) and (
            self.since is None or letter.failed_at >= self.since
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """``letters`` are in the order of their failures."""

    letters: list[DeadLetter]
    counts: Counter[str]


def list_letters(topic: OpenTopic, wanted: Wanted, stop: threading.Event) -> Listing:
    counts: Counter[str] = Counter()

    def counted(letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        for letter in letters:
            if wanted.matches(letter):
                counts[letter.reason] += 1
                yield letter

    letters = counted(map(dead_letter, read_records(topic, "reading dead letters", stop)))
    newest = heapq.nlargest(wanted.limit, letters, key=lambda letter: (letter.failed_at, letter.place))
    return Listing(newest[::-1], counts)


def as_json(listing: Listing) -> str:
    return json.dumps(
        {
            "letters": [
                {
                    "place": str(letter.place),
                    "failed_at": format_time(letter.failed_at),
                    "reason": letter.reason,
                    "origin": letter.origin,
                    "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
                    "bytes": letter.size,
                    "detail": letter.detail,
                    "can_redrive": letter.obstacle is None,
                }
                for letter in listing.letters
            ],
            "counts": dict(listing.counts.most_common()),
        },
        indent=2,
    )


def as_table(listing: Listing, width: int | None) -> list[str]:
    """Lines of at most ``width`` columns; counts at the end."""
    total = listing.counts.total()
    if not total:
        return ["No dead letters."]
    shown = len(listing.letters)
    summary = ", ".join(f"{count:,} {printable(reason)}" for reason, count in listing.counts.most_common())
    newest = "" if shown == total else f" (the newest {shown:,} are shown; --limit shows more)"
    return [*table(_HEADINGS, [_row(letter) for letter in listing.letters], width), "", f"{summary}{newest}"]


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        str(letter.place),
        format_time(letter.failed_at),
        printable(letter.reason),
        printable(letter.origin),
        "-" if letter.key is None else printable_bytes(letter.key),
        f"{letter.size:,}",
        printable(letter.detail),
    )
