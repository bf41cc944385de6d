"""``mediawiki.page_change.v1`` → document changes. Pure."""

from __future__ import annotations

from datetime import datetime

from services.producer.changes import Change, DropReason, Page, Rules, permalink
from services.producer.fields import Fields
from services.producer.sentences import describe_change
from shared.domain import AttributeValue, Document
from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent, Operation

KINDS = ("create", "edit", "move", "delete", "undelete", "visibility_change")
_SAME_REVISION = ("delete", "undelete", "visibility_change")


def normalize_page_change(body: Fields, rules: Rules) -> tuple[Change, ...] | DropReason:
    """:raises InvalidEvent: a required field is missing or of the wrong type."""
    meta = body.child("meta")
    event_id = meta.text("id")
    occurred_at = meta.time("dt")
    wiki = body.text("wiki_id")
    kind = body.text("page_change_kind")
    if kind not in KINDS:
        raise InvalidEvent(InvalidReason.INVALID_FIELD, f"page_change_kind: {kind!r} is unknown")
    page = body.child("page")
    page_id = page.identifier("page_id")
    title = page.text("page_title").replace("_", " ")
    namespace = page.integer("namespace_id")
    revision = body.child("revision")
    revision_id = revision.identifier("rev_id")

    moved_out = kind == "move" and not rules.keeps_namespace(namespace)
    if not rules.keeps_wiki(wiki) or not (moved_out or rules.keeps_namespace(namespace)):
        return DropReason.FILTERED
    redirect = page.flag("is_redirect")
    bot = _is_bot(body)
    if bot and not rules.include_bots and (kind == "create" or (kind == "edit" and not redirect)):
        return DropReason.FILTERED

    gone = kind == "delete" or redirect or moved_out or not revision.flag("is_content_visible", True)
    attributes = _attributes(body, kind)
    attributes |= {"wiki": wiki, "namespace": namespace, "page_id": page_id, "change_kind": kind, "bot": bot}
    domain = meta.optional_text("domain") or ""
    link = permalink(rules, domain, title)
    event = DocumentEvent(
        op=Operation.DELETE if gone else Operation.UPSERT,
        event_id=event_id,
        occurred_at=occurred_at,
        document=Document(
            document_id=f"{wiki}:{page_id}",
            source="wikimedia",
            title=title,
            text="" if gone else _sentence(kind, title, attributes),
            url=f"{link}{revision_id}" if link else "",
            revision=revision_id,
            updated_at=_changed_at(body, kind, occurred_at),
            attributes=attributes,
        ),
    )
    return (Change(event, None if gone else Page(domain, title, link, revision_id, page_id)),)


def _changed_at(body: Fields, kind: str, sent_at: datetime) -> datetime:
    """When the change was made, as far as the event says so. Where a revision id is reused the time
    orders the changes, so the message's is taken: ``dt`` has whole seconds."""
    changed_at = body.time("dt") if body.optional_text("dt") else sent_at
    return max(changed_at, sent_at) if kind in _SAME_REVISION else changed_at


def _is_bot(body: Fields) -> bool:
    editor = body.child("revision").optional_child("editor")
    return body.optional_child("performer").flag("is_bot", editor.flag("is_bot"))


def _attributes(body: Fields, kind: str) -> dict[str, AttributeValue]:
    """What may be shown: a hidden editor or comment is left out, also where a log entry quotes it."""
    revision = body.child("revision")
    attributes: dict[str, AttributeValue] = {"minor": revision.flag("is_minor_edit")}
    user = body.optional_child("performer").optional_text("user_text")
    if kind in ("create", "edit"):
        if revision.flag("is_editor_visible", True):
            user = user or revision.optional_child("editor").optional_text("user_text")
        else:
            user = None
    if user:
        attributes["user"] = user
    comment = body.optional_text("comment") or revision.optional_text("comment")
    if comment and revision.flag("is_comment_visible", True):
        attributes["comment"] = comment
    if kind == "move":
        moved_from = body.optional_child("prior_state").optional_child("page").optional_text("page_title")
        if moved_from:
            attributes["moved_from"] = moved_from.replace("_", " ")
    return attributes


def _sentence(kind: str, title: str, attributes: dict[str, AttributeValue]) -> str:
    comment, moved_from = attributes.get("comment"), attributes.get("moved_from")
    return describe_change(
        kind,
        title,
        comment if isinstance(comment, str) else None,
        moved_from if isinstance(moved_from, str) else None,
    )
