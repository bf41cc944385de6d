"""``GET /w/api.php`` for ``action=query`` with ``prop=extracts|info|revisions``, as MediaWiki and its
TextExtracts extension answer it with ``formatversion=2``. Pure: parameters and pages in, JSON out."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from services.replay.event_log import JsonObject
from services.replay.mediawiki_events import utc_seconds
from services.replay.wiki import Page, Pages, Revision

_MOST_VALUES = 50
_SELECTORS = ("pageids", "titles", "revids")
_PROPS = ("extracts", "info", "revisions")


class ApiError(Exception):
    """Answered with HTTP 200 and an ``error`` object, as MediaWiki does."""

    def __init__(self, code: str, info: str) -> None:
        super().__init__(info)
        self.code = code

    @property
    def body(self) -> JsonObject:
        return {
            "error": {"code": self.code, "info": str(self), "docref": "See /w/api.php for API usage."},
            "servedby": "replay",
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    """One entry of the answer: a page with the revision asked for, or what stands for a missing one."""

    page: Page | None
    revision: Revision | None
    missing: JsonObject


def query(parameters: Mapping[str, str], pages: Pages) -> JsonObject:
    """The response body.

    :raises ApiError: what MediaWiki would refuse.
    """
    _require(parameters, "action", ("query",))
    _require(parameters, "format", ("json",))
    _require(parameters, "formatversion", ("2",))
    props = [name for name in parameters.get("prop", "").split("|") if name]
    for name in props:
        if name not in _PROPS:
            raise ApiError("badvalue", f'Unrecognized value for parameter "prop": {name}.')
    given = [name for name in _SELECTORS if parameters.get(name)]
    if not given:
        return {"batchcomplete": True}
    if len(given) > 1:
        raise ApiError("multisource", f'The "{given[1]}" parameter cannot be used with "{given[0]}".')
    answer: JsonObject = {}
    asked = _select(given[0], parameters[given[0]], pages, answer)
    entries = [_describe(item, props) for item in asked]
    body: JsonObject = {"batchcomplete": True, "query": {**answer, "pages": entries}}
    if "extracts" in props:
        _add_extracts(body, asked, entries, parameters)
    return body


def _require(parameters: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> None:
    value = parameters.get(name, "")
    if value not in allowed:
        raise ApiError(
            "badvalue",
            f'Unrecognized value for parameter "{name}": {value}. Here only {", ".join(allowed)} is served.',
        )


def _select(selector: str, value: str, pages: Pages, answer: JsonObject) -> list[_Asked]:
    values = list(dict.fromkeys(value.split("|")))
    if len(values) > _MOST_VALUES:
        raise ApiError(
            "toomanyvalues",
            f'Too many values supplied for parameter "{selector}". The limit is {_MOST_VALUES}.',
        )
    if selector == "titles":
        return _select_titles(values, pages, answer)
    try:
        numbers = [int(text) for text in values]
    except ValueError:
        raise ApiError("badinteger", f'Invalid value "{value}" for integer parameter "{selector}".') from None
    if selector == "pageids":
        return [_ask(pages.by_id(number), {"pageid": number, "missing": True}) for number in numbers]
    return _select_revisions(numbers, pages, answer)


def _ask(page: Page | None, missing: JsonObject) -> _Asked:
    return _Asked(page, page.current if page else None, missing)


def _select_titles(values: list[str], pages: Pages, answer: JsonObject) -> list[_Asked]:
    asked, normalized = [], []
    for value in values:
        title = " ".join(value.replace("_", " ").split())
        title = title[:1].upper() + title[1:]
        if title != value:
            normalized.append({"fromencoded": False, "from": value, "to": title})
        asked.append(_ask(pages.by_title(title), {"ns": 0, "title": title, "missing": True}))
    if normalized:
        answer["normalized"] = normalized
    return asked


def _select_revisions(numbers: list[int], pages: Pages, answer: JsonObject) -> list[_Asked]:
    asked, bad = [], {}
    for number in numbers:
        page = pages.by_revision(number)
        revision = next((r for r in page.revisions if r.rev_id == number), None) if page else None
        if revision is None:
            bad[str(number)] = {"revid": number, "missing": True}
        else:
            asked.append(_Asked(page, revision, {}))
    if bad:
        answer["badrevids"] = bad
    return asked


def _describe(asked: _Asked, props: list[str]) -> JsonObject:
    page, revision = asked.page, asked.revision
    if page is None or revision is None:
        return dict(asked.missing)
    entry: JsonObject = {"pageid": page.page_id, "ns": page.namespace, "title": page.title}
    if "info" in props:
        entry |= {
            "contentmodel": "wikitext",
            "pagelanguage": "en",
            "pagelanguagehtmlcode": "en",
            "pagelanguagedir": "ltr",
            "touched": utc_seconds(page.touched_ms),
            "lastrevid": page.current.rev_id,
            "length": page.current.size,
        }
        if page.redirect_to is not None:
            entry["redirect"] = True
    if "revisions" in props:
        entry["revisions"] = [
            {
                "revid": revision.rev_id,
                "parentid": revision.parent_id or 0,
                "timestamp": utc_seconds(revision.saved_ms),
            }
        ]
    return entry


def _add_extracts(
    body: JsonObject, asked: list[_Asked], entries: list[JsonObject], parameters: Mapping[str, str]
) -> None:
    """The extract of the newest revision. Whole pages come one a request: the client continues."""
    intro = "exintro" in parameters
    start = int(offset) if (offset := parameters.get("excontinue", "0")).isdecimal() else 0
    end = start + (20 if intro else 1)
    existing = [(item.page, entry) for item, entry in zip(asked, entries, strict=True) if item.page]
    for page, entry in existing[start:end]:
        paragraphs = page.visible_text.split("\n")[: 1 if intro else None]
        entry["extract"] = (
            "\n".join(paragraphs)
            if "explaintext" in parameters
            else "\n".join(f"<p>{html.escape(text, quote=False)}</p>" for text in paragraphs)
        )
    if len(existing) > end:
        body.pop("batchcomplete")
        body["continue"] = {"excontinue": end, "continue": f"||{'|'.join(_PROPS[1:])}"}
