"""What of a source may be evidence, and how it is shown. Pure.

Anybody can write the texts that answers are made of. A sentence that speaks to the model, or deceives its
reader with hidden characters, is no statement about anything, so it is neither quoted nor read to the model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from services.api.answering.hidden_text import deceives, visible
from services.api.answering.injection_patterns import (
    ADDRESSES,
    ENCODED,
    TEMPLATE_TOKEN,
    TURNS,
    any_matches,
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


def eligible_spans(text: str) -> list[Span]:
    """The sentences of a chunk that may be evidence, in order.

    What follows a sentence that speaks to the model is withheld to the end of its paragraph; what follows a
    forged turn of a conversation, to the end of the text.
    """
    spans = sentence_spans(text)
    if not _is_suspicious(text):
        return spans
    return list(_eligible(text, spans))


def _eligible(text: str, spans: list[Span]) -> Iterator[Span]:
    withheld_to = 0
    for span in spans:
        sentence = span.of(text)
        folded = _folded(sentence)
        if _begins_a_turn(folded):
            return
        if any_matches(ADDRESSES, folded) or ENCODED.search(sentence):
            paragraph_end = text.find("\n", span.end)
            withheld_to = len(text) if paragraph_end < 0 else paragraph_end
        elif span.start >= withheld_to and not deceives(sentence):
            yield span


def with_safe_title(hit: Hit) -> Hit:
    """Titles are shown and read to the model, and may be used in an answer."""
    return replace(hit, title=safe_label(hit.title) or WITHHELD_TITLE)


def safe_label(text: str) -> str:
    """A title or an attribute as it may be shown: only what can be seen; empty if it speaks to the model."""
    return "" if _is_suspicious(text, deceptive_counts=False) else visible(text)


def for_model(text: str) -> str:
    """One line that can neither begin a passage nor end one: line breaks, ``[1]`` and tags of markup and of
    chat templates are ours alone."""
    return _TAG.sub("'", without_markers(visible(text)).translate(_BRACKETS))


def without_markers(text: str) -> str:
    """``[1]`` in an answer is a citation of ours: a source's own reference marks are left out where it is
    quoted there."""
    return _MARKER.sub("", text)


def _is_suspicious(text: str, *, deceptive_counts: bool = True) -> bool:
    folded = _folded(text)
    return bool(
        _begins_a_turn(folded)
        or any_matches(ADDRESSES, folded)
        or ENCODED.search(text)
        or (deceptive_counts and deceives(text))
    )


def _begins_a_turn(folded: str) -> bool:
    return TEMPLATE_TOKEN.search(folded) is not None or any_matches(TURNS, folded)


def _folded(text: str) -> str:
    """Lower case, compatibility characters as plain ones, without what hides between letters; lines kept."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = "\n".join(visible(line) for line in plain.split("\n")).lower()
    if not text.isascii():
        text = _MIXED_SCRIPTS.sub(lambda word: word[0].translate(_LOOKALIKES), text)
    return _SPACED_OUT.sub(lambda letters: re.sub(r"[ ._-]", "", letters[0]), text)
