"""What one answer is worth, from the answer itself and the texts that it cites. Pure.

Independent of the code under test: nothing here is imported from the services.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_MARKER = re.compile(r"\s*\[(\d+)\]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_DATE_WORD = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b"
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation + "“”‘’")


def without_markers(answer: str) -> str:
    return _MARKER.sub("", answer)


def normalised(text: str) -> list[str]:
    """SQuAD's: lower case, no punctuation, no articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(answer: str, wanted: Sequence[str]) -> bool:
    said = normalised(without_markers(answer))
    return any(said == normalised(one) for one in wanted)


def holds_answer(answer: str, wanted: Sequence[str]) -> bool:
    """Whether one of the wanted answers stands in it, word for word."""
    said = f" {' '.join(normalised(without_markers(answer)))} "
    return any(f" {' '.join(normalised(one))} " in said for one in wanted)


def token_f1(answer: str, wanted: Sequence[str]) -> float:
    """The best over the wanted answers."""
    said = Counter(normalised(without_markers(answer)))
    return max((_f1(said, Counter(normalised(one))) for one in wanted), default=0.0)


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total()) if common else 0.0


def sound_citations(answer: Mapping[str, Any], texts: Mapping[str, str]) -> list[bool]:
    """For each citation: its quote is not empty, stands verbatim in the cited document, and its marker stands
    in the answer. ``texts``: of each document by its id."""
    marked = {int(number) for number in _MARKER.findall(answer["answer"])}
    return [
        bool(citation["quote"])
        and citation["quote"] in texts.get(citation["document_id"], "")
        and citation["marker"] in marked
        for citation in answer["citations"]
    ]


def unfounded_figures(answer: Mapping[str, Any], passages: Mapping[str, str]) -> list[str]:
    """Numbers, months and weekdays that stand in the answer and in no cited passage."""
    cited = " ".join(passages.get(citation["document_id"], "") for citation in answer["citations"])
    return sorted(_figures(without_markers(answer["answer"])) - _figures(cited))


def unknown_markers(answer: Mapping[str, Any]) -> list[int]:
    """Markers in the answer that no citation has."""
    known = {citation["marker"] for citation in answer["citations"]}
    return sorted({int(number) for number in _MARKER.findall(answer["answer"])} - known)


def _figures(text: str) -> set[str]:
    return {number.replace(",", "") for number in _NUMBER.findall(text)} | set(_DATE_WORD.findall(text))
