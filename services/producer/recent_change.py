"""``mediawiki.recentchange`` → document changes.

This stream names pages by title only, and its log entries carry no revision. Revision ids grow with
time within a wiki, so the highest one seen so far orders a delete, a restore or a rename after every
edit before it and before every edit after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from services.producer.changes import Change, DropReason, Page, Rules, permalink, without_revision
from services.producer.fields import Fields
from services.producer.namespaces import namespace_of_target
from services.producer.sentences import describe_change
from shared.domain import AttributeValue, Document
from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent, Operation

_KINDS = {"edit": "edit", "new": "create"}
_LOG_KINDS = {
    ("delete", "delete"): "delete",
    ("delete", "delete_redir"): "delete",
    ("delete", "delete_redir2"): "delete",
    ("delete", "restore"): "undelete",
    ("move", "move"): "move",
    ("move", "move_redir"): "move",
}


class HighestRevisions:
    """The highest revision id seen of each wiki."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def observe(self, wiki: str, revision: int) -> None:
        self._highest[wiki] = max(revision, self._highest.get(wiki, 0))

    def latest(self, wiki: str) -> int:
        """:raises InvalidEvent: no revision of this wiki was seen yet."""
        try:
            return self._highest[wiki]
        except KeyError:
            raise InvalidEvent(
                InvalidReason.UNORDERABLE, f"no revision of {wiki} was seen before this log entry"
            ) from None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What every kind of recentchange has."""

    event_id: str
    occurred_at: datetime
    wiki: str
    domain: str
    namespace: int
    title: str
    kind: str
    bot: bool
    revision: int
    attributes: dict[str, AttributeValue]

    def change(self, op: Operation, rules: Rules) -> Change:
        link = permalink(rules, self.domain, self.title)
        borrowed = self.kind not in _KINDS.values()
        delete = op is Operation.DELETE
        comment = self.attributes.get("comment")
        moved_from = self.attributes.get("moved_from")
        text = describe_change(
            self.kind, self.title, str(comment or ""), str(moved_from) if moved_from else None
        )
        document = Document(
            document_id=f"{self.wiki}:{self.namespace}:{self.title}",
            source="wikimedia",
            title=self.title,
            text="" if delete else text,
            url=without_revision(link) if borrowed or not link else f"{link}{self.revision}",
            revision=self.revision,
            updated_at=self.occurred_at,
            attributes={
                **self.attributes,
                "wiki": self.wiki,
                "namespace": self.namespace,
                "bot": self.bot,
                "change_kind": self.kind,
            },
        )
        event = DocumentEvent(op, self.event_id, self.occurred_at, document)
        return Change(
            event,
            None if delete else Page(self.domain, self.title, link, None if borrowed else self.revision),
        )


def normalize_recent_change(
    body: Fields, rules: Rules, highest: HighestRevisions
) -> tuple[Change, ...] | DropReason:
    """Tells ``highest`` of each revision, also of what it drops.

    :raises InvalidEvent: a required field is missing or of the wrong type, or a log entry cannot be
        ordered.
    """
    change_type = body.text("type")
    if change_type in _KINDS:
        return _edit(body, rules, highest, _KINDS[change_type])
    log = (body.optional_text("log_type"), body.optional_text("log_action"))
    kind = _LOG_KINDS.get((log[0] or "", log[1] or "")) if change_type == "log" else None
    if kind is None:
        return DropReason.NO_EFFECT
    return _log_entry(body, rules, highest, kind)


def _edit(
    body: Fields, rules: Rules, highest: HighestRevisions, kind: str
) -> tuple[Change, ...] | DropReason:
    revision = body.child("revision").identifier("new")
    highest.observe(body.text("wiki"), revision)
    entry = _entry(body, kind, revision)
    filtered = not rules.keeps_wiki(entry.wiki) or not rules.keeps_namespace(entry.namespace)
    if filtered or (entry.bot and not rules.include_bots):
        return DropReason.FILTERED
    return (entry.change(Operation.UPSERT, rules),)


def _log_entry(
    body: Fields, rules: Rules, highest: HighestRevisions, kind: str
) -> tuple[Change, ...] | DropReason:
    if not rules.keeps_wiki(body.text("wiki")):
        return DropReason.FILTERED
    if kind != "move" and not rules.keeps_namespace(body.integer("namespace")):
        return DropReason.FILTERED
    entry = _entry(body, kind, highest.latest(body.text("wiki")))
    if kind == "delete":
        return (entry.change(Operation.DELETE, rules),)
    if kind == "undelete":
        return (entry.change(Operation.UPSERT, rules),)
    changes = []
    if rules.keeps_namespace(entry.namespace):
        changes.append(entry.change(Operation.DELETE, rules))
    renamed = _renamed(body, entry)
    if rules.keeps_namespace(renamed.namespace):
        changes.append(renamed.change(Operation.UPSERT, rules))
    return tuple(changes) or DropReason.FILTERED


def _renamed(body: Fields, entry: _Entry) -> _Entry:
    target = body.optional_child("log_params").text("target").replace("_", " ")
    return replace(
        entry,
        title=target,
        namespace=namespace_of_target(target, entry.title, entry.namespace),
        attributes={**entry.attributes, "moved_from": entry.title},
    )


def _entry(body: Fields, kind: str, revision: int) -> _Entry:
    meta = body.child("meta")
    attributes: dict[str, AttributeValue] = {"minor": body.flag("minor")}
    for name in ("user", "comment"):
        value = body.optional_text(name)
        if value:
            attributes[name] = value
    return _Entry(
        event_id=meta.text("id"),
        occurred_at=meta.time("dt"),
        wiki=body.text("wiki"),
        domain=_domain(body),
        namespace=body.integer("namespace"),
        title=body.text("title").replace("_", " "),
        kind=kind,
        bot=body.flag("bot"),
        revision=revision,
        attributes=attributes,
    )


def _domain(body: Fields) -> str:
    named = body.child("meta").optional_text("domain") or body.optional_text("server_name")
    if named:
        return named
    try:
        return urlsplit(body.optional_text("server_url") or "").hostname or ""
    except ValueError:
        return ""
