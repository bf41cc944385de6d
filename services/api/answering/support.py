"""Whether one source sentence says what a generated sentence says. Pure.

Words alone do not tell who did what to whom, or which of two counts is meant. So where a source could be
mixed up (two names, two like numbers, a denial), only its own words in their own order will do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.api.answering.evidence import Evidence
from shared.text import CALENDAR, STOP_WORDS, names, normalise_word, numbers, terms, words

_LEAST_TERMS = 2  # a bare "287." lacks its unit
_REACH = 4
_PER_CENT = re.compile(r"\s*(?:%|\bper ?cent\b)", re.IGNORECASE)
# "-3" and "$5" are not "3" and "5"; the dash of "1-1" is no sign.
_FIGURE = re.compile(r"(?:(?<!\w)[-−])?[$€£¥]?\d+(?:[.,:]\d+)*(?: percent)?")
_WORD = r"[^\W\d_]+(?:['’.-][^\W\d_]+)*"
_ENTITY = re.compile(rf"{_WORD}(?: {_WORD})*")
_NEGATIONS = frozenset("not no never none nobody nothing neither nor without cannot".split())
_QUALIFIERS = _NEGATIONS | frozenset(
    "deny denies denied refuted disputed false falsely untrue wrong hoax fake alleged allegedly claim claims"
    " claimed rumour rumours rumoured rumor rumors rumored unconfirmed suspected feared expected planned"
    " predicted scheduled may might could would should will if unless until almost nearly barely hardly"
    " fewer former formerly previously".split()
)
_PRESENT = frozenset({"is", "are"})
_PAST = frozenset({"was", "were", "had"})


def supports(source: Evidence, sentence: str) -> bool:
    """Every term, name and figure of ``sentence`` is the source's, every number counts the same there,
    and what weakens, denies or dates the one does so in the other."""
    own, said = _plain(source.text), _plain(sentence)
    source_text = _plain(f"{source.hit.title} {source.text}")
    said_terms = terms(said)
    if len(said_terms) < _LEAST_TERMS or not set(said_terms) <= set(terms(source_text)):
        return False
    if not numbers(said) <= numbers(source_text) or not _figures(said) <= _figures(source_text):
        return False
    if not names(said) <= set(_lowered(source_text)):
        return False
    if not all(_same_meaning(number, said, source_text) for number in numbers(said)):
        return False
    if _qualifiers(said) != _qualifiers(own) or _moved_to_the_present(said, own):
        return False
    mixed_up = _could_be_mixed_up(said, own) or _takes_the_title_s_name(said, own, source.hit.title)
    return not mixed_up or _is_part_of(_lowered(said), _lowered(own))


def _plain(text: str) -> str:
    """ "58%", "58 per cent" and "58 percent" are one."""
    return _PER_CENT.sub(" percent", text)


def _lowered(text: str) -> list[str]:
    return [word.lower() for word in words(text)]


def _figures(text: str) -> set[str]:
    return {figure.replace("−", "-").replace(",", "") for figure in _FIGURE.findall(text)}


def _qualifiers(text: str) -> set[str]:
    """Lower-cased but for "May", which is a month."""
    found = {word.lower() for word in words(text) if word != "May"}
    contracted = {"not" for word in found if word.replace("’", "'").endswith("n't")}
    return (found & _QUALIFIERS) | contracted


def _moved_to_the_present(said: str, source: str) -> bool:
    """ "is the mayor", of one who was."""
    said_words, source_words = set(_lowered(said)), set(_lowered(source))
    return bool(said_words & _PRESENT and source_words & _PAST and not source_words & _PRESENT)


def _could_be_mixed_up(said: str, source: str) -> bool:
    if _qualifiers(source) or len(_entities(source)) > 1:
        return True
    return any(_has_rival(number, said, source) for number in numbers(said))


def _takes_the_title_s_name(said: str, source: str, title: str) -> bool:
    """Whether a name of the page stands where the source sentence has one of its own."""
    of_title = {word.lower() for entity in _entities(title) for word in entity.split()}
    return bool(of_title & set(_lowered(said)) - set(_lowered(source)) and _entities(source))


def _entities(text: str) -> set[str]:
    """Runs of capitalised words; the first word counts, as it may well be a name."""
    found = set()
    for run in _ENTITY.findall(text):
        name: list[str] = []
        for word in [*run.split(" "), ""]:
            if word[:1].isupper() and word.lower() not in STOP_WORDS | CALENDAR:
                name.append(word)
            elif name:
                found.add(" ".join(name))
                name = []
    return found


def _has_rival(number: str, said: str, source: str) -> bool:
    """Whether the source counts the same thing by another number too."""
    unit = _unit(said, number)
    known = _content(source)
    return any(
        other != number and unit in known[max(0, at - _REACH) : at + _REACH + 1]
        for at, other in enumerate(known)
        if other in numbers(source)
    )


def _same_meaning(number: str, sentence: str, source: str) -> bool:
    """Whether what ``sentence`` counts by the number ("47 *people*") stands beside it in the source."""
    unit, known = _unit(sentence, number), _content(source)
    return any(
        not unit or unit in known[max(0, at - _REACH) : at + _REACH + 1]
        for at, source_word in enumerate(known)
        if source_word == number
    )


def _unit(sentence: str, number: str) -> str:
    """The next content word, or else the one before."""
    in_order = _content(sentence)
    position = in_order.index(number)
    after = [word for word in in_order[position + 1 :] if word]
    before = [word for word in in_order[:position] if word]
    return after[0] if after else before[-1] if before else ""


def _content(text: str) -> list[str]:
    """Normalised words in order, with "" where a stop word stands."""
    return ["" if word.lower() in STOP_WORDS else normalise_word(word) for word in words(text)]


def _is_part_of(said: Sequence[str], source: Sequence[str]) -> bool:
    """Word for word."""
    return any(source[at : at + len(said)] == said for at in range(len(source) - len(said) + 1))
