"""Characters that a person does not see, or sees in another order than a machine reads them. Pure."""

from __future__ import annotations

import re

_JOINER = "\u200c\u200d"
_DIRECTION_MARKS = "\u061c\u200e\u200f"
_SELECTORS = "\ufe00-\ufe0f"
_TAGS = "\U000e0000-\U000e0fff"
_HIDDEN = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are not white space
    "\u200b\u2060-\u2064\ufeff"  # zero width
    "\u202a-\u202e\u2066-\u206f"  # embeddings, overrides and isolates of direction
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"  # fillers, blank though not spaces
    "\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff" + _TAGS  # surrogates, private use
)
_SPACES = re.compile(r"\s+")
_ANY = re.compile(f"[{_HIDDEN}{_JOINER}{_DIRECTION_MARKS}{_SELECTORS}\u00ad]")
# Scripts and emoji are written with joiners and selectors: between characters that are not ASCII they stay.
_REMOVED = re.compile(
    f"[{_HIDDEN}{_DIRECTION_MARKS}\u00ad]+|(?<![^\x00-\x7f])[{_JOINER}{_SELECTORS}]+"
    f"|[{_JOINER}{_SELECTORS}]{{2,}}|[{_JOINER}](?![^\x00-\x7f])"
)
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}\U000e007f")
_DECEPTIVE = re.compile(
    f"[A-Za-z][{_JOINER}\u200b\u2060\ufeff]+[A-Za-z]"
    f"|[{_JOINER}{_DIRECTION_MARKS}{_SELECTORS}\u200b\u2060-\u2064\ufeff\u00ad]{{4}}"
)
# A zero-width space may end a line anywhere, and begin a file.
_BEYOND_DOUBT = re.compile(f"[{_HIDDEN}]".replace("\u200b\u2060-\u2064\ufeff", "\u2061-\u2064"))


def visible(text: str) -> str:
    """One line of what a reader sees: without control, format, private and other invisible characters."""
    if _ANY.search(text):
        text = _REMOVED.sub("", text)
    return _SPACES.sub(" ", text).strip()


def deceives(text: str) -> bool:
    """Whether hidden characters change what a reader makes of it: text in tag characters, overridden
    direction, control characters, invisible ones inside or instead of words. What well-written text of any
    language holds (direction marks, joiners, soft hyphens) does not."""
    if not _ANY.search(text):
        return False
    return bool(_DECEPTIVE.search(text) or _BEYOND_DOUBT.search(_FLAG.sub("", text)))
