"""A page as plain HTML, so that the link of a citation opens in a browser. Pure."""

from __future__ import annotations

import html

from services.replay.mediawiki_events import utc_seconds
from services.replay.wiki import Page, Revision


def render_page(page: Page, revision: Revision) -> str:
    newest = revision.rev_id == page.current.rev_id
    hidden = not revision.visibility.content
    notes = [f"Revision {revision.rev_id} of {utc_seconds(revision.saved_ms)}."]
    if not newest:
        notes.append("There is a newer revision of this page.")
    if hidden:
        notes.append("The text of this revision is hidden.")
    body = "" if hidden else "\n".join(f"<p>{html.escape(text)}</p>" for text in revision.text.split("\n"))
    return _document(page.title, f"{body}\n<p><small>{' '.join(notes)}</small></p>")


def render_missing(title: str) -> str:
    return _document(title, "<p>This page does not exist.</p>")


def _document(title: str, body: str) -> str:
    heading = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{heading} – Meridian</title></head>\n"
        f"<body><h1>{heading}</h1>\n{body}\n<p><small>Meridian, a made-up wiki.</small></p></body></html>\n"
    )
