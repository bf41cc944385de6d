"""What is said where nothing answers. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.domain import Answer, Outcome, SearchFilter

NO_CONTEXT = "I do not know: nothing that is indexed answers this question."


def no_context(where: SearchFilter) -> Answer:
    """Names the window that was searched, because the answer may lie outside it."""
    window = _window(where.since, where.until)
    text = (
        f"I do not know: nothing indexed that changed {window} answers this question."
        if window
        else NO_CONTEXT
    )
    return Answer(text, Outcome.NO_CONTEXT, ())


def _window(since: datetime | None, until: datetime | None) -> str:
    if since is not None and until is not None:
        return f"between {_written(since)} and {_written(until)}"
    if since is not None:
        return f"since {_written(since)}"
    return f"by {_written(until)}" if until is not None else ""


def _written(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
