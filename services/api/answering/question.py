"""What a question asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from shared.text import STOP_WORDS, names, normalise_number, numbers, sentences, terms, words

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
_BEFORE_PLACES = frozenset({"in", "at", "near", "from"})
_YEAR = re.compile(r"[12]\d{3}")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Who or what a question is about: ``names`` in lower case, and the ``numbers`` that belong to them
    ("Petrel 5") or are years."""

    names: frozenset[str]
    numbers: frozenset[str]


class AnswerKind(StrEnum):
    NUMBER = "number"
    PERSON = "person"
    TIME = "time"
    ANY = "any"


@lru_cache
def expected_kind(question: str) -> AnswerKind:
    """Of the last sentence that asks for something: a follow-up stands behind the question before it."""
    kinds = (_kind(sentence) for sentence in reversed(sentences(question)))
    return next((kind for kind in kinds if kind is not AnswerKind.ANY), AnswerKind.ANY)


def _kind(question: str) -> AnswerKind:
    if _NUMBER_QUESTION.search(question):
        return AnswerKind.NUMBER
    if _TIME_QUESTION.search(question):
        return AnswerKind.TIME
    if _PERSON_QUESTION.search(question):
        return AnswerKind.PERSON
    return AnswerKind.ANY


def offers(kind: AnswerKind, sentence: str, question: str) -> bool:
    """Whether ``sentence`` says something of that kind which the question does not already say."""
    if kind is AnswerKind.TIME:
        return bool(numbers(sentence) - _said(AnswerKind.NUMBER, question)) or bool(
            _TIME_WORD.search(sentence)
        )
    return bool(_WHAT_IS_SAID[kind](sentence) - _said(kind, question))


_WHAT_IS_SAID: Mapping[AnswerKind, Callable[[str], Set[str]]] = {
    AnswerKind.NUMBER: numbers,
    AnswerKind.PERSON: names,
    AnswerKind.ANY: lambda text: frozenset(terms(text)),
}


@lru_cache
def _said(kind: AnswerKind, question: str) -> Set[str]:
    """One question is held against many sentences."""
    return _WHAT_IS_SAID[kind](question)


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """A follow-up without a name of its own ("And how many were hurt?") is read together with the
    latest question that has one."""
    earlier = [turn.content for turn in history if turn.role == "user"]
    if not earlier or required_names(question):
        return question
    named = (content for content in reversed(earlier) if required_names(content))
    return f"{next(named, earlier[-1]).strip()} {question}"


def subject(question: str, is_rare: Callable[[str], bool]) -> Subject:
    """What a passage must mention to be evidence at all. A question without names may have been typed
    without capitals: rare words count as names there."""
    in_order = words(question)
    found = required_names(question) or _small_names(question, in_order, is_rare)
    belonging = {
        normalise_number(after)
        for before, after in pairwise(in_order)
        if before.lower() in found and after[0].isdigit()
    }
    return Subject(found, frozenset(belonging | set(filter(_YEAR.fullmatch, in_order))))


def _small_names(question: str, in_order: Sequence[str], is_rare: Callable[[str], bool]) -> frozenset[str]:
    """Where the question has a capital at its start alone, whoever typed it may know where capitals belong:
    then only that word, and what stands where places do, is taken for a name."""
    no_capitals = question in (question.lower(), question.upper())
    return frozenset(
        word.lower()
        for before, word in pairwise(["", *in_order])
        if (no_capitals or word[0].isupper() or before.lower() in _BEFORE_PLACES)
        and word.lower() not in STOP_WORDS
        and is_rare(word)
    )


def required_names(question: str) -> frozenset[str]:
    """The names in a question. Where even words such as "the" are written with a capital, capitals mean
    nothing and there are none."""
    later_words = words(question)[1:]
    if any(word[0].isupper() and word.lower() in STOP_WORDS and word != "I" for word in later_words):
        return frozenset()
    return frozenset(names(question))
