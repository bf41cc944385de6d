"""Edits of 2015 (``wikipedia-edits-2015-09-12.json.gz``) as recentchange and page_change events.

The file knows page titles, users and comments, but no ids. This is the whole mapping, so that a test
can compute the expected documents on its own; ``i`` is the place of the line in the file, from 0:

===================  =================================================================================
wiki                 ``#en.wikipedia`` → wiki ``enwiki``, domain ``en.wikipedia.org``
page id              1, 2, 3 … in the order in which (wiki, page) first appear in the file, over all wikis
revision id          ``600000000 + i``
parent revision id   the page's previous line; on its first line ``500000000 + page id``, none if ``isNew``
kind                 ``create`` / ``new`` if ``isNew``, else ``edit``
namespace            ``Main`` → 0, English names → their ids, other (local) names → 100
title, user,         verbatim; page_change has underscores for spaces in the title
comment, bot, minor
size                 the previous size + ``delta``, from 5000 (0 if ``isNew``), never below 0
times                now, or ``time`` if times are kept; the Kafka timestamp is always now
===================  =================================================================================

Every line gives one event on each stream, page_change first.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE, JsonObject
from services.replay.mediawiki_events import Emission, content_sha1, derived_uuid, underscored, utc
from shared.domain import epoch_milliseconds
from shared.events import parse_time

FIRST_REVISION = 600_000_000
FIRST_PARENT = 500_000_000
LOCAL_NAMESPACE = 100
NAMESPACES = {
    "Main": 0, "Talk": 1, "User": 2, "User talk": 3, "Wikipedia": 4, "Wikipedia talk": 5, "File": 6,
    "File talk": 7, "MediaWiki": 8, "MediaWiki talk": 9, "Template": 10, "Template talk": 11, "Help": 12,
    "Help talk": 13, "Category": 14, "Category talk": 15, "Portal": 100, "Portal talk": 101, "Book": 108,
    "Book talk": 109, "Draft": 118, "Draft talk": 119, "Module": 828, "Module talk": 829,
}  # fmt: skip


@dataclass(slots=True)
class _KnownPage:
    page_id: int
    size: int
    revision: int | None = None


class EditConverter:
    """Keeps the ids that it gave out; feed it the lines in order."""

    def __init__(self, page_url: str, *, keep_times: bool) -> None:
        self._page_url = page_url
        self._keep_times = keep_times
        self._pages: dict[tuple[str, str], _KnownPage] = {}
        self._line = -1

    def convert(self, edit: JsonObject, now_ms: int) -> Iterator[Emission]:
        """:raises KeyError, ValueError: a field is missing or wrong."""
        self._line += 1
        language = edit["channel"].removeprefix("#").removesuffix(".wikipedia")
        wiki, domain = f"{language}wiki", f"{language}.wikipedia.org"
        title, is_new = edit["page"], bool(edit["isNew"])
        page = self._pages.get((wiki, title))
        if page is None:
            page = _KnownPage(len(self._pages) + 1, 0 if is_new else 5000)
            self._pages[wiki, title] = page
            page.revision = None if is_new else FIRST_PARENT + page.page_id
        parent, old_size = (None, 0) if is_new else (page.revision, page.size)
        page.revision = FIRST_REVISION + self._line
        page.size = max(0, old_size + int(edit["delta"]))
        ms = epoch_milliseconds(parse_time(edit["time"])) if self._keep_times else now_ms
        facts = _Facts(
            edit, wiki, domain, page.page_id, page.revision, parent, old_size, page.size, ms, is_new,
            f"{self._page_url}/wiki/{quote(underscored(title), safe=':/(),')}",
        )  # fmt: skip
        yield Emission(PAGE_CHANGE, now_ms, _page_change(facts))
        yield Emission(RECENT_CHANGE, now_ms, _recent_change(facts, self._page_url))


@dataclass(frozen=True, slots=True)
class _Facts:
    edit: JsonObject
    wiki: str
    domain: str
    page_id: int
    revision: int
    parent: int | None
    old_size: int
    size: int
    ms: int
    is_new: bool
    link: str

    @property
    def namespace(self) -> int:
        return NAMESPACES.get(self.edit["namespace"], LOCAL_NAMESPACE)

    @property
    def comment(self) -> str:
        return self.edit["comment"] or ""

    def meta(self, stream: str) -> JsonObject:
        return {
            "uri": self.link,
            "request_id": derived_uuid("2015", "request", self.revision),
            "id": derived_uuid("2015", stream, self.revision),
            "domain": self.domain,
            "stream": stream,
            "dt": utc(self.ms),
        }


def _page_change(facts: _Facts) -> JsonObject:
    edit = facts.edit
    performer = {
        "user_text": edit["user"], "groups": ["bot", "*"] if edit["isRobot"] else ["*"],
        "is_bot": edit["isRobot"], "is_system": False, "is_temp": False,
    }  # fmt: skip
    sha1 = content_sha1(f"{facts.revision}")
    slot = {
        "slot_role": "main", "content_model": "wikitext", "content_format": "text/x-wiki",
        "content_sha1": sha1, "content_size": facts.size, "origin_rev_id": facts.revision,
    }  # fmt: skip
    revision = {
        "rev_id": facts.revision, "rev_dt": utc(facts.ms), "is_minor_edit": edit["isMinor"],
        "rev_sha1": sha1, "rev_size": facts.size, "comment": facts.comment, "editor": performer,
        "is_content_visible": True, "is_editor_visible": True, "is_comment_visible": True,
        "content_slots": {"main": slot},
    }  # fmt: skip
    if facts.parent is not None:
        revision["rev_parent_id"] = facts.parent
    return {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": facts.meta(PAGE_CHANGE),
        "changelog_kind": "insert" if facts.is_new else "update",
        "page_change_kind": "create" if facts.is_new else "edit",
        "dt": utc(facts.ms),
        "wiki_id": facts.wiki,
        "page": {
            "page_id": facts.page_id, "page_title": underscored(edit["page"]),
            "namespace_id": facts.namespace, "is_redirect": False,
        },
        "performer": performer,
        "revision": revision,
    }  # fmt: skip


def _recent_change(facts: _Facts, page_url: str) -> JsonObject:
    edit = facts.edit
    lengths, revisions = {"new": facts.size}, {"new": facts.revision}
    if facts.parent is not None:
        lengths = {"old": facts.old_size, **lengths}
        revisions = {"old": facts.parent, **revisions}
    return {
        "$schema": "/mediawiki/recentchange/1.0.1",
        "meta": facts.meta(RECENT_CHANGE),
        "id": facts.revision,
        "type": "new" if facts.is_new else "edit",
        "namespace": facts.namespace,
        "title": edit["page"],
        "title_url": facts.link,
        "comment": facts.comment,
        "timestamp": facts.ms // 1000,
        "user": edit["user"],
        "bot": edit["isRobot"],
        "minor": edit["isMinor"],
        "length": lengths,
        "revision": revisions,
        "server_url": page_url,
        "server_name": facts.domain,
        "server_script_path": "/w",
        "wiki": facts.wiki,
        "parsedcomment": html.escape(facts.comment),
    }
