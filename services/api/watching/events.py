"""What a standing question is told. ``position``: where in the change feed to go on after it."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.answering.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Watching:
    """From here on nothing is missed. ``gap``: the position that was asked for is too old, so changes
    before this one may have been missed."""

    position: str
    gap: bool


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """A document answers that did not before, or says it in other words now."""

    evidence: Evidence
    position: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A document that was told of was removed, or no longer answers."""

    document_id: str
    position: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Nothing for this question up to ``position``."""

    position: str


@dataclass(frozen=True, slots=True)
class Ended:
    """There will be no more; ``reason`` is for people."""

    reason: str


WatchEvent = Watching | NewEvidence | Withdrawn | Progress | Ended
EvidenceEvent = NewEvidence | Withdrawn
