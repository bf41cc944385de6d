"""A change of the story wiki as the events that EventStreams would send: page_change 1.2.0 and
recentchange 1.0.1. Pure; ids are derived, so that equal changes give equal events."""

from __future__ import annotations

import hashlib
import html
import uuid
from dataclasses import dataclass
from urllib.parse import quote

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE, JsonObject
from services.replay.wiki import Change, ChangeKind, Editor, Page, Revision
from shared.domain import from_epoch_milliseconds
from shared.events import format_time

WIKI_ID = "meridianwiki"
DOMAIN = "meridian.wiki.example"
_CHANGELOG = {
    ChangeKind.CREATE: "insert", ChangeKind.UNDELETE: "insert", ChangeKind.DELETE: "delete",
}  # fmt: skip
_LOG = {
    ChangeKind.MOVE: ("move", "move"), ChangeKind.DELETE: ("delete", "delete"),
    ChangeKind.UNDELETE: ("delete", "restore"), ChangeKind.VISIBILITY: ("delete", "revision"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Emission:
    """An event for ``stream``, with its Kafka timestamp in ms."""

    stream: str
    timestamp: int
    event: JsonObject


def derived_uuid(*parts: object) -> str:
    """A version 4 uuid by its looks, the same for the same parts."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def utc(ms: int) -> str:
    return format_time(from_epoch_milliseconds(ms))


def utc_seconds(ms: int) -> str:
    return utc(ms)[:19] + "Z"


def underscored(title: str) -> str:
    return title.replace(" ", "_")


def content_sha1(text: str) -> str:
    """MediaWiki's form: 31 digits, base 36."""
    number = int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(31, "0")


class EventRenderer:
    """``page_url`` is the base of every link, ``run`` tells the ids of two runs apart."""

    def __init__(self, page_url: str, run: str) -> None:
        self._page_url = page_url
        self._run = run

    def page_change(self, change: Change) -> Emission:
        page, revision = change.page, change.revision
        event: JsonObject = {
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": self._meta(PAGE_CHANGE, page.title, change.ms, change.kind, revision.rev_id),
            "changelog_kind": _CHANGELOG.get(change.kind, "update"),
            "page_change_kind": change.kind.value,
            "dt": utc(change.ms),
            "wiki_id": WIKI_ID,
            "page": _page(page),
            "performer": _user(change.performer),
            "revision": _revision(revision),
        }
        if change.kind in _LOG and change.kind is not ChangeKind.VISIBILITY:
            event["comment"] = change.comment
        if change.redirect_target is not None:
            event["page"]["redirect_page_link"] = _page(change.redirect_target)
        if change.redirect is not None:
            event["created_redirect_page"] = _page(change.redirect)
        prior_state = _prior_state(change)
        if prior_state:
            event["prior_state"] = prior_state
        return Emission(PAGE_CHANGE, change.ms, event)

    def recent_change(self, change: Change, number: int) -> Emission:
        if change.kind in _LOG:
            kind, action = _LOG[change.kind]
            return self.log_entry(
                number, change.ms, change.prior_title or change.page.title, change.page.namespace,
                change.performer, change.comment, kind, action, _log_params(change),
            )  # fmt: skip
        revision, prior = change.revision, change.prior
        old = "" if prior is None else f"&oldid={prior.rev_id}"
        event = self._recent_change(
            number, change.ms, "new" if prior is None else "edit", change.page.title,
            change.page.namespace, change.performer, change.comment,
        )  # fmt: skip
        event["notify_url"] = f"{self._page_url}/w/index.php?diff={revision.rev_id}{old}&rcid={number}"
        event["minor"] = revision.minor
        event["patrolled"] = change.performer.bot
        event["length"] = {"new": revision.size} if prior is None else {
            "old": prior.size, "new": revision.size,
        }  # fmt: skip
        event["revision"] = {"new": revision.rev_id} if prior is None else {
            "old": prior.rev_id, "new": revision.rev_id,
        }  # fmt: skip
        return Emission(RECENT_CHANGE, change.ms, event)

    def categorize(self, number: int, ms: int, category: str, page: str, editor: Editor) -> Emission:
        event = self._recent_change(
            number, ms, "categorize", f"Category:{category}", 14, editor, f"[[:{page}]] added to category"
        )
        return Emission(RECENT_CHANGE, ms, event)

    def log_entry(
        self,
        number: int,
        ms: int,
        title: str,
        namespace: int,
        performer: Editor,
        comment: str,
        log_type: str,
        action: str,
        params: JsonObject,
    ) -> Emission:
        event = self._recent_change(number, ms, "log", title, namespace, performer, comment)
        event |= {
            "log_id": number,
            "log_type": log_type,
            "log_action": action,
            "log_params": params or [],  # PHP's empty array, whatever it would have held
            "log_action_comment": f"{action} &quot;[[{title}]]&quot;: {comment}",
        }
        return Emission(RECENT_CHANGE, ms, event)

    def canary(self, stream: str, ms: int, number: int) -> Emission:
        schema = "/mediawiki/page/change/1.2.0" if stream == PAGE_CHANGE else "/mediawiki/recentchange/1.0.1"
        event: JsonObject = {
            "$schema": schema,
            "meta": {
                "stream": stream,
                "dt": utc(ms),
                "domain": "canary",
                "id": derived_uuid(self._run, "canary", stream, number),
            },
        }
        if stream == PAGE_CHANGE:
            event |= _SCHEMA_EXAMPLE
        return Emission(stream, ms, event)

    def _recent_change(
        self, number: int, ms: int, kind: str, title: str, namespace: int, editor: Editor, comment: str
    ) -> JsonObject:
        return {
            "$schema": "/mediawiki/recentchange/1.0.1",
            "meta": self._meta(RECENT_CHANGE, title, ms, kind, number),
            "id": number,
            "type": kind,
            "namespace": namespace,
            "title": title,
            "title_url": self._link(title),
            "comment": comment,
            "timestamp": ms // 1000,
            "user": editor.name,
            "bot": editor.bot,
            "server_url": self._page_url,
            "server_name": DOMAIN,
            "server_script_path": "/w",
            "wiki": WIKI_ID,
            "parsedcomment": html.escape(comment),
        }

    def _meta(self, stream: str, title: str, ms: int, *identity: object) -> JsonObject:
        return {
            "uri": self._link(title),
            "request_id": derived_uuid(self._run, "request", ms, title),
            "id": derived_uuid(self._run, stream, ms, title, *identity),
            "domain": DOMAIN,
            "stream": stream,
            "dt": utc(ms),
        }

    def _link(self, title: str) -> str:
        return f"{self._page_url}/wiki/{quote(underscored(title), safe=':/(),')}"


def _page(page: Page) -> JsonObject:
    return {
        "page_id": page.page_id,
        "page_title": underscored(page.title),
        "namespace_id": page.namespace,
        "is_redirect": page.redirect_to is not None,
        "revision_count": page.revision_count,
    }


def _user(editor: Editor) -> JsonObject:
    groups = ["bot", "*", "user", "autoconfirmed"] if editor.bot else ["*", "user", "autoconfirmed"]
    return {
        "user_text": editor.name,
        "groups": groups,
        "is_bot": editor.bot,
        "is_system": False,
        "is_temp": False,
        "user_id": editor.user_id,
        "registration_dt": "2019-03-04T11:20:00Z",
        "edit_count": editor.user_id * 7,
    }


def _revision(revision: Revision) -> JsonObject:
    visible = revision.visibility
    body: JsonObject = {
        "rev_id": revision.rev_id,
        "rev_dt": utc_seconds(revision.saved_ms),
        "is_minor_edit": revision.minor,
        "is_content_visible": visible.content,
        "is_editor_visible": visible.editor,
        "is_comment_visible": visible.comment,
    }
    if revision.parent_id is not None:
        body["rev_parent_id"] = revision.parent_id
    if visible.comment:
        body["comment"] = revision.comment
    if visible.editor:
        body["editor"] = _user(revision.editor)
    if visible.content:
        sha1 = content_sha1(revision.text)
        slot = {
            "slot_role": "main", "content_model": "wikitext", "content_format": "text/x-wiki",
            "content_sha1": sha1, "content_size": revision.size, "origin_rev_id": revision.rev_id,
        }  # fmt: skip
        body |= {"rev_sha1": sha1, "rev_size": revision.size, "content_slots": {"main": slot}}
    return body


def _prior_state(change: Change) -> JsonObject:
    state: JsonObject = {}
    if change.prior_title is not None:
        state["page"] = {
            "page_title": underscored(change.prior_title),
            "namespace_id": change.page.namespace,
        }
    if change.prior is None:
        return state
    if change.kind is ChangeKind.VISIBILITY:
        before, after = _revision(change.prior), _revision(change.revision)
        names = ("is_content_visible", "is_editor_visible", "is_comment_visible")
        state["revision"] = {name: before[name] for name in names if before[name] != after[name]}
    else:
        state["revision"] = _revision(change.prior)
    return state


def _log_params(change: Change) -> JsonObject:
    match change.kind:
        case ChangeKind.MOVE:
            return {"target": change.page.title, "noredir": "0"}
        case ChangeKind.UNDELETE:
            return {":assoc:count": {"revisions": change.page.revision_count, "files": 0}}
        case ChangeKind.VISIBILITY:
            return {"type": "revision", "ids": [str(change.revision.rev_id)], "ofield": 0, "nfield": 1}
        case _:
            return {}


_SCHEMA_EXAMPLE: JsonObject = {
    "changelog_kind": "update",
    "page_change_kind": "edit",
    "dt": "2021-01-01T00:00:00.0Z",
    "wiki_id": "example",
    "page": {"page_id": 1, "page_title": "example", "namespace_id": 1, "is_redirect": False},
    "performer": {"user_id": 123, "user_text": "yoohoo"},
    "revision": {
        "rev_id": 2, "rev_parent_id": 1, "rev_dt": "2021-01-01T00:00:00.0Z", "rev_size": 100,
        "is_minor_edit": False, "is_content_visible": True, "is_editor_visible": True,
        "is_comment_visible": True,
    },
}  # fmt: skip
