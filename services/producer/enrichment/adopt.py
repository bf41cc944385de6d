"""Which text and version a document gets once its page was fetched. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from services.producer.changes import Change
from services.producer.enrichment.extract import PageText
from shared.events import DocumentEvent

_SENTENCE_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])|\n")
_OF_ONE_REVISION = ("user", "comment", "minor")


def adopt(change: Change, page: PageText, max_chars: int) -> DocumentEvent:
    """The change with the page's text.

    A page that has moved on since the event gives its own version, title and address too, because text
    and version belong together; who made that revision is not known, so nothing is claimed about it.
    A page without text (a gallery, data) keeps the sentence that describes the change.
    """
    event, document = change.event, change.event.document
    if not page.text:
        return event
    text = cut_at_sentence(page.text, max_chars)
    link = change.page.permalink if change.page else ""
    url = f"{link}{page.revision}" if link else ""
    if page.revision <= document.revision:
        return replace(event, document=replace(document, text=text, url=url))
    attributes = {name: value for name, value in document.attributes.items() if name not in _OF_ONE_REVISION}
    return replace(
        event,
        document=replace(
            document,
            text=text,
            title=page.title,
            url=url,
            revision=page.revision,
            updated_at=page.saved_at,
            attributes=attributes,
        ),
    )


def cut_at_sentence(text: str, max_chars: int) -> str:
    """At most ``max_chars`` characters; ends with a sentence, else with a word, where there is one in
    the second half."""
    if len(text) <= max_chars:
        return text
    head = text[: max_chars + 1]
    ends = [match.start() for match in _SENTENCE_END.finditer(head) if match.start() >= max_chars // 2]
    if ends:
        return head[: ends[-1]].rstrip()
    space = head.rfind(" ", max_chars // 2)
    return (head[:space] if space > 0 else head[:max_chars]).rstrip()
