"""An answer as the text that a chat client shows, most of which read it as Markdown. Pure.

Titles and quotes come from strangers: what would make a client load an image or draw a link under other
words is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.domain import Citation

_HEADING = "\n\nSources:\n"
_CORRECTION = "\n\nCorrection, because a source has changed meanwhile: "
_ACTIVE = re.compile(r"(?<=[!\]])(?=[\[(])|(?=<[A-Za-z/!?])|(?=[`\\])")
_URL = re.compile(r"https?://[^\s<>\"'`\\]+", re.IGNORECASE)


def as_markdown(text: str) -> str:
    """Without images, links and markup of its own; otherwise as it was."""
    return _ACTIVE.sub("\\\\", text)


def sources_list(citations: Sequence[Citation]) -> str:
    """What follows the answer: each source's marker, title, time and address; "" for none."""
    return _HEADING + "\n".join(map(_source, citations)) if citations else ""


def without_sources(content: str) -> str:
    """An answer that comes back as history."""
    return content.partition(_HEADING)[0]


def correction(answer: str) -> str:
    """What follows text that was shown and no longer holds: a client cannot take it back."""
    return _CORRECTION + as_markdown(answer)


def _source(citation: Citation) -> str:
    title = " ".join(citation.title.split()) or citation.document_id
    line = f"- [{citation.marker}] {as_markdown(title)}, {citation.updated_at:%Y-%m-%d %H:%M} UTC"
    return f"{line}: {citation.url}" if _URL.fullmatch(citation.url) else line
