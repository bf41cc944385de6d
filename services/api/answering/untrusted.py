"""What of a source may be evidence, and how it is shown. Pure.

Anybody can write the texts that answers are made of. A sentence that speaks to the model, or deceives its
reader with hidden characters, is no statement about anything, so it is neither quoted nor read to the model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache
from itertools import takewhile

from services.api.answering.hidden_text import deceives, visible
from services.api.answering.injection_addresses import ADDRESSES
from services.api.answering.injection_rule import any_matches
from services.api.answering.injection_signs import (
    CODE_WORD,
    ENCODED,
    IN_CODE_WORDS,
    MILD_ORDERS,
    ORDERS,
    SHORTEST_ENCODED,
    TEMPLATE_TOKEN,
    TURNS,
    WEAK_SIGNS,
)
from shared.domain import Hit
from shared.text import Span, sentence_spans

WITHHELD_TITLE = "(title withheld)"

_SPACED_OUT = re.compile(r"\b(?:[a-z][ ._-]){4,}[a-z]\b")
_MIXED_SCRIPTS = re.compile(r"\b(?=\w*[a-z])(?=\w*[а-яёіјѕԁһ])\w+\b")
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһкмтвнг", "aeopcyxijsdhkmtbhr")
_MARKER = re.compile(r"\s*\[\s*\d+(?:\s*[,;–-]\s*\d+)*\s*\]")
_BRACKETS = str.maketrans("[]", "()")
_TAG = re.compile(r"<(?=[\w/|!?｜<])|(?<=[\w|/\"'｜>])>")


@lru_cache(maxsize=4096)
def eligible_spans(text: str) -> tuple[Span, ...]:
    """The sentences of a chunk that may be evidence, in order.

    Around a sentence that speaks to the model, in its paragraph, and after a forged turn of a conversation,
    to the end of the text, others are withheld on weaker signs: an instruction is rarely one sentence long.
    """
    spans = sentence_spans(text)
    if not _is_suspicious(text):
        return tuple(spans)
    wary = _wary_ranges(text, spans)
    return tuple(
        span for span in spans if _is_eligible(span.of(text), wary=any(span.start in part for part in wary))
    )


def _wary_ranges(text: str, spans: list[Span]) -> list[range]:
    found = []
    for span in spans:
        folded = _folded(span.of(text))
        if _begins_a_turn(folded):
            found.append(range(span.start, len(text)))
        elif _gives_orders(span.of(text), folded):
            end = text.find("\n", span.end)
            found.append(range(text.rfind("\n", 0, span.start) + 1, len(text) if end < 0 else end))
    return found


def _is_eligible(sentence: str, *, wary: bool) -> bool:
    if _is_suspicious(sentence):
        return False
    return not wary or not (WEAK_SIGNS.search(_folded(sentence)) or _has_code_word(sentence))


def with_safe_title(hit: Hit) -> Hit:
    """Titles are shown and read to the model, and may be used in an answer."""
    return replace(hit, title=safe_label(hit.title) or WITHHELD_TITLE)


@lru_cache(maxsize=4096)
def safe_label(text: str) -> str:
    """A title or an attribute as it may be shown: what can be seen of it; of one that speaks to the model,
    what stands before that, which may be nothing."""
    folded = _folded(text)
    if not _begins_a_turn(folded) and not _is_addressed(text, folded):
        return visible(text)
    spans = sentence_spans(text)
    harmless = list(takewhile(lambda span: _is_eligible(span.of(text), wary=True), spans))
    return visible(text[: harmless[-1].end]) if harmless else ""


def for_model(text: str) -> str:
    """One line that can neither begin a passage nor end one: line breaks, ``[1]`` and tags of markup and of
    chat templates are ours alone."""
    return _TAG.sub("'", without_markers(visible(text)).translate(_BRACKETS))


def without_markers(text: str) -> str:
    """``[1]`` in an answer is a citation of ours: a source's own reference marks are left out where it is
    quoted there."""
    return _MARKER.sub("", text)


def _is_suspicious(text: str) -> bool:
    folded = _folded(text)
    return _begins_a_turn(folded) or _gives_orders(text, folded) or deceives(text)


def _gives_orders(text: str, folded: str) -> bool:
    return any_matches(ORDERS, folded) or _is_addressed(text, folded)


def _is_addressed(text: str, folded: str) -> bool:
    """To a model or to a browser; also what cannot be read at all."""
    return (
        any_matches(ADDRESSES, folded)
        or _has_encoded(text)
        or (_has_code_word(text) and any_matches(MILD_ORDERS, folded))
    )


def _has_encoded(text: str) -> bool:
    return max(map(len, text.split()), default=0) >= SHORTEST_ENCODED and ENCODED.search(text) is not None


def _has_code_word(text: str) -> bool:
    return IN_CODE_WORDS.search(text) is not None and CODE_WORD.search(text) is not None


def _begins_a_turn(folded: str) -> bool:
    return TEMPLATE_TOKEN.search(folded) is not None or any_matches(TURNS, folded)


def _folded(text: str) -> str:
    """Lower case, compatibility characters as plain ones, without what hides between letters; lines kept."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = "\n".join(visible(line) for line in plain.split("\n")).lower()
    if not text.isascii():
        text = _MIXED_SCRIPTS.sub(lambda word: word[0].translate(_LOOKALIKES), text)
    return _SPACED_OUT.sub(lambda letters: re.sub(r"[ ._-]", "", letters[0]), text)
