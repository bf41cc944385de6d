"""What tells whether a sentence answers a question: how its words and the question's fit together. Pure.

A question that a passage nearly answers differs from it in one thing: another name or number, a denial, an
opposite. Similarity as a whole hardly shows that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache

from services.api.answering.opposition import denies, reverses
from services.api.answering.question import expected_kind, offers
from services.api.answering.vocabulary import Vocabulary
from shared.text import CALENDAR, STOP_WORDS, sentences, words

_NO_CONTENT = STOP_WORDS | frozenset("type types kind kinds name named names called".split())


@dataclass(frozen=True, slots=True)
class Signals:
    """Of one question and one sentence under a title; all in [0, 1], but for ``relevance``, a cosine.

    ``coverage``: share of the question's content words that title and sentence have in some form.
    ``missing_name``, ``missing_number``: they lack one that the question has. ``question_denies``: the
    question has a word of denial; ``only_question_denies``: the sentence has none. ``reversed_word``: the
    sentence has the opposite of a word in the question. ``nothing_of_the_kind``: the sentence says no number,
    name or time that the question does not already say, where it asks for one.
    """

    relevance: float
    coverage: float
    missing_name: float
    missing_number: float
    question_denies: float
    only_question_denies: float
    reversed_word: float
    nothing_of_the_kind: float

    def values(self) -> tuple[float, ...]:
        """In the order of the fields."""
        return astuple(self)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    is_name: bool
    is_number: bool


def signals(question: str, title: str, sentence: str, relevance: float) -> Signals:
    """``relevance``: cosine similarity of the question and "title: sentence"."""
    asked = _content(question)
    said = Vocabulary(f"{title} {sentence}")
    missing = [word for word in asked if not said.has(word.text)]
    question_denies = denies(question)
    return Signals(
        relevance=relevance,
        coverage=1 - len(missing) / max(1, len(asked)),
        missing_name=any(word.is_name for word in missing),
        missing_number=any(word.is_number for word in missing),
        question_denies=question_denies,
        only_question_denies=question_denies and not denies(sentence),
        reversed_word=reverses(question, f"{title} {sentence}"),
        nothing_of_the_kind=not offers(expected_kind(question), sentence, f"{question} {title}"),
    )


def states_something_else(question: str, title: str, sentence: str) -> bool:
    """Whether the sentence is about another number, or says the opposite: ``missing_number``,
    ``only_question_denies`` or ``reversed_word``, without the work for the others."""
    if denies(question) and not denies(sentence):
        return True
    text = f"{title} {sentence}"
    wanted = [word.text for word in _content(question) if word.is_number]
    if wanted:
        said = Vocabulary(text)
        if not all(map(said.has, wanted)):
            return True
    return reverses(question, text)


@lru_cache
def _content(question: str) -> Sequence[_Word]:
    """What a sentence must speak of. A follow-up stands behind the question before it, of which only names
    and numbers still count."""
    *earlier, latest = [found for sentence in sentences(question) if (found := _content_of(sentence))] or [[]]
    still_meant = [word for found in earlier for word in found if word.is_name or word.is_number]
    return still_meant + latest


def _content_of(sentence: str) -> list[_Word]:
    in_order: Sequence[str] = words(sentence)
    return [
        _Word(
            word,
            is_name=position > 0 and word[0].isupper() and word.lower() not in CALENDAR,
            is_number=word[0].isdigit(),
        )
        for position, word in enumerate(in_order)
        if word.lower() not in _NO_CONTENT
    ]
