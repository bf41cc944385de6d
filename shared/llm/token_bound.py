"""How many tokens a text can have at most, whichever model reads it. Pure."""

from __future__ import annotations

import unicodedata

_LEADING_SPACE = 1


def most_tokens(text: str) -> int:
    """Never below the true number, and about four times that for English.

    Every token of a byte-level or byte-fallback vocabulary covers at least one byte of the UTF-8 text.
    Some tokenizers put a space before it, and some normalise it first, which can make it longer.
    """
    if not text:
        return 0
    normalised = unicodedata.normalize("NFKC", text)
    longest = max(len(form.encode("utf-8", "surrogatepass")) for form in (text, normalised))
    return longest + _LEADING_SPACE
