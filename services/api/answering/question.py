"""What a question asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.text import STOP_WORDS, names, numbers, terms, words

_NUMBER_QUESTION = re.compile(
    r"\b(how (many|much|long|far|tall|high|large|big|deep|wide|old|fast)|what (number|share|percentage|score)"
    r"|(death|current|latest) (toll|score|count))\b",
    re.IGNORECASE,
)
_PERSON_QUESTION = re.compile(r"\b(who|whom|whose)\b", re.IGNORECASE)
_TIME_QUESTION = re.compile(r"\b(when|what (time|day|date|year))\b", re.IGNORECASE)
_TIME_WORD = re.compile(
    r"\b(mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b(january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\b(today|tomorrow|yesterday|noon|midnight)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str


class AnswerKind(StrEnum):
    NUMBER = "number"
    PERSON = "person"
    TIME = "time"
    ANY = "any"


def expected_kind(question: str) -> AnswerKind:
    if _NUMBER_QUESTION.search(question):
        return AnswerKind.NUMBER
    if _TIME_QUESTION.search(question):
        return AnswerKind.TIME
    if _PERSON_QUESTION.search(question):
        return AnswerKind.PERSON
    return AnswerKind.ANY


def offers(kind: AnswerKind, sentence: str, question: str) -> bool:
    """Whether ``sentence`` says something of that kind which the question does not already say."""
    if kind is AnswerKind.NUMBER:
        return bool(numbers(sentence) - numbers(question))
    if kind is AnswerKind.PERSON:
        return bool(names(sentence) - names(question))
    if kind is AnswerKind.TIME:
        return bool(numbers(sentence) - numbers(question)) or bool(_TIME_WORD.search(sentence))
    return bool(frozenset(terms(sentence)) - frozenset(terms(question)))


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """A follow-up without a name of its own ("And how many were hurt?") is read together with the
    question before it."""
    earlier = [turn.content for turn in history if turn.role == "user"]
    if not earlier or required_names(question):
        return question
    return f"{earlier[-1].strip()} {question}"


def required_names(question: str) -> frozenset[str]:
    """The names that a passage must mention to be evidence at all. Where even words such as "the" are
    written with a capital, capitals mean nothing and none is required."""
    later_words = words(question)[1:]
    if any(word[0].isupper() and word.lower() in STOP_WORDS and word != "I" for word in later_words):
        return frozenset()
    return frozenset(names(question))
