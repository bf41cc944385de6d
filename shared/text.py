"""Sentences, terms, numbers and names of a text. Pure; used to chunk, to quote and to check answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

_BOUNDARY = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡]+[」』”]*|\n+")
_OPENING = "\"'“‘«([ \t\n"
_OPENINGS = re.compile(f"[{re.escape(_OPENING)}]*")
_LONGEST_ABBREVIATION = 20
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr no nos vol fig vs etc approx ca cf gen col lt sgt capt rev hon inc ltd co"
    " jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e u.s u.k a.m p.m".split()
)
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’.-][^\W\d_]+)*", re.UNICODE)
_LONGEST_REMEMBERED = 50
_LONGEST_SENTENCE = 500
_POSSESSIVE = ("'s", "’s")
_SEPARATOR_OF_THOUSANDS = re.compile(r",(?=\d{3}(?:\D|$))")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(  # without "one", which is more often a pronoun
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
        " sixteen seventeen eighteen nineteen twenty".split(),
        start=2,
    )
}
STOP_WORDS = frozenset(
    "a about after all also an and any are as at be because been before being between both but by can could"
    " currently did do does doing down during each either few for from further give had has have having he"
    " her here hers him his how i if in into is it its itself just latest list many me more most much my name"
    " nor not now of off on once only or other our out over own please same say says she should so some such"
    " tell than that the their them then there these they this those through to too under until up upon very"
    " was we were what when where which while who whom whose why will with would you your yet".split()
)
CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july"
    " august september october november december utc gmt".split()
)


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` of the text it was found in, without surrounding white space."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


def sentence_spans(text: str) -> list[Span]:
    """The sentences in order; nothing but white space lies outside them."""
    spans: list[Span] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if match[0][0] in ".!?…" and not _ends_sentence(text, match):
            continue
        _append_stripped(spans, text, start, match.end())
        start = match.end()
    _append_stripped(spans, text, start, len(text))
    return spans


def sentences(text: str) -> list[str]:
    return [span.of(text) for span in sentence_spans(text)]


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    opened = _OPENINGS.match(text, match.end())
    assert opened is not None
    if text[opened.end() : opened.end() + 1].islower():
        return False
    if match[0][0] != ".":
        return True
    before = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()].rpartition("\n")[2]
    last_word = before.rpartition(" ")[2].lstrip(_OPENING)
    is_initial = len(last_word) == 1 and last_word.isupper()
    return not is_initial and last_word.lower() not in _ABBREVIATIONS


def _append_stripped(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if start < end:
        spans.append(Span(start, end))


def words(text: str) -> list[str]:
    """Words and numbers as written, in order; a possessive ``'s`` is cut off."""
    # A sentence that is weighed is read for its terms, numbers and names one after the other.
    return list(_words_of(text)) if len(text) <= _LONGEST_SENTENCE else _find_words(text)


def _find_words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text)
    if "'" not in text and "’" not in text:
        return found
    return [word[:-2] if word.endswith(_POSSESSIVE) else word for word in found]


@lru_cache(maxsize=512)
def _words_of(sentence: str) -> tuple[str, ...]:
    return tuple(_find_words(sentence))


def normalise_word(word: str) -> str:
    """Lower-cased and stemmed; numbers without separators of thousands, number words as digits."""
    # What is longer would fill the memory, and hardly comes twice.
    return _normalised(word) if len(word) <= _LONGEST_REMEMBERED else _normalised.__wrapped__(word)


@lru_cache(maxsize=65_536)
def _normalised(word: str) -> str:
    lowered = word.lower()
    if lowered[0].isdigit():
        return normalise_number(lowered)
    return _NUMBER_WORDS.get(lowered) or str(Stemmer.Stemmer("english", 0).stemWord(lowered))


def normalise_number(number: str) -> str:
    return _SEPARATOR_OF_THOUSANDS.sub("", number) if "," in number else number


def terms(text: str) -> list[str]:
    """The normalised content words and numbers, in order, with repetitions."""
    return [normalise_word(word) for word in words(text) if word.lower() not in STOP_WORDS]


def numbers(text: str) -> set[str]:
    """Every number, normalised; number words up to twenty included."""
    return {normalise_word(word) for word in words(text) if _is_number(word)}


def _is_number(word: str) -> bool:
    return word[0].isdigit() or word.lower() in _NUMBER_WORDS


def names(text: str) -> set[str]:
    """Words written with a capital, lower-cased, but for stop words, weekdays, months and the first word
    of a sentence where it is not followed by another name. Not stemmed: a name is right or wrong."""
    found: set[str] = set()
    for sentence in sentences(text):
        in_order = words(sentence)
        for position, word in enumerate(in_order):
            if not _looks_like_name(word):
                continue
            if position == 0 and not (len(in_order) > 1 and _looks_like_name(in_order[1])):
                continue
            found.add(word.lower())
    return found


def _looks_like_name(word: str) -> bool:
    lowered = word.lower()
    return word[0].isupper() and lowered not in STOP_WORDS and lowered not in CALENDAR
