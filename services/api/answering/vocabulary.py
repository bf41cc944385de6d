"""The words of a text, to be found in other forms too. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from shared.text import normalise_word, words

_LEAST_ROOT = 4
_ENDINGS = frozenset(
    "s es a an ian ean n i y ese ish ic ist ism ern er ers al ly ed ing ion it at ation iv ive abl able ment"
    " ness anc ance enc ence or ors e t ri ari".split()
) | {""}
_ACRONYM = re.compile(r"[A-Z]{2,5}")
_LINKS = frozenset("of the and for in".split())


class Vocabulary:
    """Numbers count only as they are written; a word also in another form of its root ("Germany" for
    "German"), as the parts around its hyphens, and as an acronym of words with capitals."""

    def __init__(self, text: str) -> None:
        self._words = words(text)
        self._lowered = {word.lower() for word in self._words}

    def has(self, word: str) -> bool:
        if word.lower() in self._lowered:  # most are: the rest of the work is seldom needed
            return True
        normal = normalise_word(word)
        if normal in self._normal:
            return True
        if word[0].isdigit():
            return False
        if _ACRONYM.fullmatch(word) and word in self._initials:
            return True
        parts = re.split(r"[-–.]", word)
        if len(parts) > 1:
            return all(self.has(part) for part in parts if part)
        return any(_are_related(normal, other) for other in self._by_root.get(normal[:_LEAST_ROOT], ()))

    @cached_property
    def _normal(self) -> frozenset[str]:
        return frozenset(map(normalise_word, self._words))

    @cached_property
    def _initials(self) -> str:
        return "".join(word[0] if word[0].isupper() else " " for word in self._words if word not in _LINKS)

    @cached_property
    def _by_root(self) -> Mapping[str, list[str]]:
        """Words that begin alike: those of one root do."""
        found: dict[str, list[str]] = {}
        for word in self._normal:
            found.setdefault(word[:_LEAST_ROOT], []).append(word)
        return found


def _are_related(one: str, other: str) -> bool:
    """Whether the same root is left without their endings."""
    root = next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )
    return root >= _LEAST_ROOT and one[root:] in _ENDINGS and other[root:] in _ENDINGS
