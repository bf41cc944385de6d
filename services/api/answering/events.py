"""What happens while a question is answered, in order: ``Sources``, ``Piece``…, ``Done``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.api.answering.evidence import Evidence
from services.api.answering.prompt import NOT_ASKED, PassageUse
from shared.domain import Answer, Citation

IsAbandoned = Callable[[], bool]
"""Whether nobody waits for the answer any more."""


class Abandoned(Exception):
    """Nobody waits for the answer any more, so the work on it has ended."""


@dataclass(frozen=True, slots=True)
class AskResult:
    """``as_of``: the newest event time that the answer takes into account. ``timings_ms`` by stage.
    ``cached``: given before, and looked up again; the model was not asked, so there are no tokens.
    ``passages``: what the model was shown."""

    answer: Answer
    as_of: datetime | None
    model: str
    input_tokens: int
    output_tokens: int
    timings_ms: dict[str, float]
    cached: bool = False
    passages: PassageUse = NOT_ASKED


@dataclass(frozen=True, slots=True)
class Sources:
    """What may be answered from, strongest first, one piece of evidence for each document; before the
    model is asked."""

    evidence: tuple[Evidence, ...]
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Grounded text that follows what was shown before; ``citations``: those it is the first to use."""

    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The answer. It is what the pieces add up to, unless a source changed after a piece was shown: then
    the pieces no longer hold, and this does."""

    result: AskResult


AnswerEvent = Sources | Piece | Done


class Transcript:
    """What the reader has been shown so far."""

    def __init__(self) -> None:
        self._text = ""
        self._markers: set[int] = set()

    def pieces(self, answer: Answer) -> Iterator[Piece]:
        """What is missing of ``answer``; nothing where nothing is, or where it goes on from other text."""
        if answer.text == self._text or not answer.text.startswith(self._text):
            return
        new = tuple(citation for citation in answer.citations if citation.marker not in self._markers)
        piece = Piece(answer.text[len(self._text) :], new)
        self._text = answer.text
        self._markers.update(citation.marker for citation in new)
        yield piece
