"""What the normaliser makes of a raw event, and the rules that it follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from shared.events import DocumentEvent


class DropReason(StrEnum):
    """Why an event is not a document of interest; a metric label, so the set is closed."""

    CANARY = "canary"
    FILTERED = "filtered"
    NO_EFFECT = "no_effect"
    PAGE_GONE = "page_gone"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Rules:
    """What to keep. An empty set keeps all.

    ``page_base`` is the address under which the source itself shows pages; ``None``: on the wiki that
    the event names.
    """

    wikis: frozenset[str] = frozenset()
    namespaces: frozenset[int] = frozenset()
    include_bots: bool = False
    page_base: str | None = None

    def keeps_wiki(self, wiki: str) -> bool:
        return not self.wikis or wiki in self.wikis

    def keeps_namespace(self, namespace: int) -> bool:
        return not self.namespaces or namespace in self.namespaces


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page's text is found. ``permalink`` wants a revision id at its end; ``revision`` is the
    oldest that will do, ``None`` where the event names none."""

    domain: str
    title: str
    permalink: str
    revision: int | None = None
    page_id: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One document event. ``page`` is set where the page's text should replace the event's."""

    event: DocumentEvent
    page: Page | None


_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62}\.)*[a-z0-9-]{1,63}", re.IGNORECASE)
_UNESCAPED_IN_TITLES = "/:@!$*,;~()"


def permalink(rules: Rules, domain: str, title: str) -> str:
    """The address of a page's revision, without the revision id at its end; empty for a bad domain."""
    name = quote(title.replace(" ", "_"), safe=_UNESCAPED_IN_TITLES)
    if rules.page_base is not None:
        return f"{rules.page_base}/wiki/{name}?oldid="
    if not _HOST_NAME.fullmatch(domain):
        return ""
    return f"https://{domain}/w/index.php?title={name}&oldid="


def without_revision(link: str) -> str:
    """The address of the page itself, from its ``permalink``."""
    return link.removesuffix("oldid=").rstrip("?&")
