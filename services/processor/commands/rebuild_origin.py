"""What a new index is made from, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Origin(StrEnum):
    KAFKA = "kafka"
    STORED = "stored"

    @property
    def described(self) -> str:
        return "KAFKA_TOPIC" if self is Origin.KAFKA else "the texts in the store"


class CurrentIndex(Enum):
    """How the store answers when it is opened with the configured settings."""

    SAME = "same"
    OTHER = "other"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Current:
    index: CurrentIndex
    problem: str = ""


def choose_origin(asked: str | None, current: Current) -> tuple[Origin, str]:
    """``asked``: the option ``--from``."""
    if asked is not None:
        return Origin(asked), f"--from {asked}"
    if current.index is CurrentIndex.OTHER:
        return Origin.STORED, f"{current.problem}, and the store has every text"
    if current.index is CurrentIndex.DAMAGED:
        return Origin.KAFKA, f"the store cannot be read ({current.problem})"
    return Origin.KAFKA, "the store fits the settings, so the log may know better than its texts"
