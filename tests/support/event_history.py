"""A seeded history of document events as a troubled source would deliver it, with planted poison.

Written without the product's own encoder, so that the two can disagree.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.errors import InvalidReason

MAX_EVENT_BYTES = 65_536
"""``MAX_EVENT_BYTES`` of the processors that read a history: larger is poison."""

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = (
    "river bridge council votes opens storm harbour museum painter record season match airport election "
    "village glacier comet reactor budget festival library orchestra volcano railway market treaty museum "
    "parliament satellite vaccine drought flood castle novel premiere strike engine tunnel island summit "
    "court verdict merger startup telescope galaxy fossil whale forest wildfire harvest championship "
    "naïve Überraschung 東京 Ελλάδα москва 🌋"
).split()
_WIKIS = ("enwiki", "dewiki", "frwiki", "meridianwiki")


@dataclass(frozen=True, slots=True)
class State:
    """One version of one document; ``text`` is ``None`` for a delete."""

    document_id: str
    revision: int
    updated_at: datetime
    title: str
    text: str | None
    attributes: dict[str, str | int | bool]
    url: str

    @property
    def version(self) -> tuple[int, datetime]:
        return self.revision, self.updated_at


@dataclass(frozen=True, slots=True)
class Message:
    """What a record holds. ``state`` is what it says, or ``None`` for poison, which has a ``reason``."""

    key: bytes
    value: bytes | None
    state: State | None = None
    reason: InvalidReason | None = None


@dataclass(slots=True)
class _Life:
    """A document as its source knows it."""

    document_id: str
    title: str
    revision: int = 0
    moment: datetime = _BEGINNING
    sentences: list[str] = field(default_factory=list)
    deleted: bool = True


def a_history(seed: int, events: int, poison: int) -> list[Message]:
    """Exactly ``events`` document events, of which some are duplicates, and ``poison`` others, in the
    order of sending: mostly that of the versions, with some events late, a few of them very late."""
    rng = random.Random(seed)
    originals = [_message(rng, state) for state in _states(rng, events - events // 12)]
    duplicates = [
        (place, message) for place, message in _sample(rng, originals, events // 12) if message is not None
    ]
    places = [(_delayed(rng, place, events), message) for place, message in enumerate(originals)]
    places += [(place + rng.random() * rng.choice((1, 50, 5_000)), message) for place, message in duplicates]
    places += [(rng.random() * len(originals), message) for message in _poison(rng, poison, originals)]
    places.sort(key=lambda item: item[0])
    return [message for _, message in places]


def _sample(rng: random.Random, messages: list[Message], count: int) -> list[tuple[int, Message]]:
    return [(place, messages[place]) for place in (rng.randrange(len(messages)) for _ in range(count))]


def _delayed(rng: random.Random, place: int, events: int) -> float:
    luck = rng.random()
    if luck < 0.02:
        return place + rng.random() * events / 3
    return place + (rng.random() * 100 if luck < 0.17 else 0)


def _states(rng: random.Random, count: int) -> Iterator[State]:
    lives = [_a_life(rng, number) for number in range(max(1, count // 6))]
    weights = [1 / (place + 10) ** 0.6 for place in range(len(lives))]
    life = lives[0]
    for _ in range(count):
        if rng.random() > 0.15:  # else another event of the same document at once
            [life] = rng.choices(lives, weights)
        yield _next_state(rng, life)


def _a_life(rng: random.Random, number: int) -> _Life:
    strange = rng.random() < 0.05
    document_id = f"{rng.choice(_WIKIS)}:{number}" + (" {§} Ünï/c:#ode?" if strange else "")
    return _Life(document_id, f"Page {number} {' '.join(rng.choices(_WORDS, k=2))}")


def _next_state(rng: random.Random, life: _Life) -> State:
    life.moment += timedelta(milliseconds=rng.randrange(1, 100_000))
    newborn, luck = not life.sentences, rng.random()
    if luck < (0.02 if newborn else 0.12):  # also of a page that was never seen
        # A source deletes and undeletes under the same revision: only the time tells them apart.
        life.revision += rng.random() < 0.5
        life.deleted = True
        return _state(rng, life, None)
    undelete = life.deleted and not newborn and rng.random() < 0.5
    life.revision += not undelete
    if newborn:
        life.sentences = _sentences(rng, rng.choice((1, 2, 3, 4, 8, 8, 40)))
    elif not undelete and luck > 0.3:  # else an unchanged text under a new version
        _edit(rng, life)
    life.deleted = False
    return _state(rng, life, " ".join(life.sentences))


def _edit(rng: random.Random, life: _Life) -> None:
    place, kind = rng.randrange(len(life.sentences)), rng.random()
    if kind < 0.6:
        life.sentences[place : place + 1] = _sentences(rng, 1)
    elif kind < 0.8:
        life.sentences[place:place] = _sentences(rng, rng.choice((1, 3)))
    elif kind < 0.9:
        life.sentences = life.sentences[: 1 + place // 2]
    elif kind < 0.95:
        life.sentences = _sentences(rng, rng.choice((1, 3, 8, 40)))
    else:
        life.title += " (renamed)" if len(life.title) < 80 else ""


def _sentences(rng: random.Random, count: int) -> list[str]:
    return [" ".join(rng.choices(_WORDS, k=rng.randrange(4, 14))).capitalize() + "." for _ in range(count)]


def _state(rng: random.Random, life: _Life, text: str | None) -> State:
    attributes: dict[str, str | int | bool] = {
        "wiki": life.document_id.partition(":")[0],
        "namespace": rng.choice((0, 0, 0, 1, 4)),
        "bot": rng.random() < 0.2,
        "comment": rng.choice(("", "typo", "/* History */ überarbeitet")),
    }
    url = f"https://wiki.example/{life.revision}"
    return State(life.document_id, life.revision, life.moment, life.title, text, attributes, url)


def _message(rng: random.Random, state: State) -> Message:
    return Message(state.document_id.encode(), _json(_body(rng, state)), state)


def _body(rng: random.Random, state: State) -> dict[str, object]:
    document: dict[str, object] = {
        "document_id": state.document_id,
        "source": "chaos",
        "revision": state.revision,
        "updated_at": state.updated_at.isoformat(timespec="milliseconds"),
    }
    if state.text is not None:
        document |= {
            "title": state.title,
            "text": state.text,
            "url": state.url,
            "attributes": state.attributes,
        }
    return {
        "schema": rng.choice(("document-event/1", "document-event/1", "document-event/1.3")),
        "op": "delete" if state.text is None else "upsert",
        "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
        "occurred_at": state.updated_at.isoformat(timespec="milliseconds"),
        "a_later_field": {"is": ["ignored"]},
        "document": document,
    }


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _poison(rng: random.Random, count: int, originals: list[Message]) -> Iterator[Message]:
    """Of every kind in turn. Each is also a would-be update of a live page, which must not show."""
    upserts = [message.state for message in originals if message.state is not None and message.state.text]
    for number in range(count):
        good = _body(rng, rng.choice(upserts))
        document = good["document"]
        assert isinstance(document, dict)
        document["revision"] = 10**9 + number
        reason, value = _SPOILED[number % len(_SPOILED)]
        yield Message(f"poison:{number}".encode(), value(good, document), reason=reason)


def _without(body: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in body.items() if key != name}


def _with(body: dict[str, object], document: dict[str, object], **changed: object) -> bytes:
    return _json(body | {"document": document | changed})


_SPOILED = (
    (InvalidReason.INVALID_UTF8, lambda body, _: _json(body)[:-2] + b'\xff"}'),
    (InvalidReason.INVALID_UTF8, lambda body, document: _with(body, document, text="\ud800")),
    (InvalidReason.MALFORMED_JSON, lambda body, _: _json(body)[:-5]),
    (InvalidReason.MALFORMED_JSON, lambda _body, _: b""),
    (InvalidReason.MALFORMED_JSON, lambda body, _: _json([body])),
    (InvalidReason.UNKNOWN_SCHEMA, lambda body, _: _json(body | {"schema": "document-event/2"})),
    (InvalidReason.UNKNOWN_SCHEMA, lambda body, _: _json(_without(body, "schema"))),
    (InvalidReason.MISSING_FIELD, lambda _body, _: None),
    (InvalidReason.MISSING_FIELD, lambda body, _: _json(_without(body, "event_id"))),
    (InvalidReason.MISSING_FIELD, lambda body, document: _with(body, document, title=None)),
    (InvalidReason.INVALID_FIELD, lambda body, document: _with(body, document, revision="7")),
    (InvalidReason.INVALID_FIELD, lambda body, _: _json(body | {"op": "merge"})),
    (InvalidReason.INVALID_FIELD, lambda body, _: _json(body | {"occurred_at": "2026-01-01T00:00:00"})),
    (InvalidReason.EMPTY_TEXT, lambda body, document: _with(body, document, text=" \n")),
    (InvalidReason.TOO_LARGE, lambda body, _: _json(body | {"padding": "x" * MAX_EVENT_BYTES})),
)  # fmt: skip
