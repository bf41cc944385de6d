"""The text of a change whose page text is not fetched: one sentence from title and comment. Pure."""

from __future__ import annotations

import re

_VERBS = {
    "create": "was created",
    "edit": "was edited",
    "move": "was renamed",
    "undelete": "was restored",
    "visibility_change": "was made visible again",
}

_SECTION = re.compile(r"/\*\s*(.*?)\s*\*/\s*")
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_SPACE = re.compile(r"\s+")


def describe_change(kind: str, title: str, comment: str | None, moved_from: str | None = None) -> str:
    """``Oswald Tilghman was edited: added project.`` Never empty."""
    sentence = f"{title} {_VERBS.get(kind, 'was changed')}"
    if moved_from:
        sentence += f" from {moved_from}"
    note = readable_comment(comment or "")
    if note:
        sentence += f": {note}"
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def readable_comment(comment: str) -> str:
    """An edit summary without its wiki markup: section marks and links become plain words."""
    without_sections = _SECTION.sub(lambda match: f"{match[1]}: " if match[1] else "", comment)
    without_links = _LINK.sub(r"\1", without_sections)
    return _SPACE.sub(" ", without_links).strip().removesuffix(":")
