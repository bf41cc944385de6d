"""The text of a page, as MediaWiki's extract call gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from services.producer.changes import Page
from services.producer.fields import Fields
from shared.errors import InvalidEvent, RagError, SourceUnavailable
from shared.resilience.retry_after import retry_after_seconds

MAX_RESPONSE_BYTES = 8_388_608

_FAMILIES = (
    "wikipedia", "wiktionary", "wikibooks", "wikinews", "wikiquote", "wikisource", "wikiversity",
    "wikivoyage", "wikidata", "wikimedia", "mediawiki", "wikifunctions",
)  # fmt: skip
_WIKIMEDIA_HOST = re.compile(rf"(?:[a-z0-9-]{{1,63}}\.){{1,3}}(?:{'|'.join(_FAMILIES)})\.org")
_PASSING_ERRORS = ("maxlag", "ratelimited", "readonly", "internal_api_error_DBQueryError")
_BUSY_STATUS = (408, 429)


class ExtractRefused(RagError):
    """This page's text cannot be had, and asking again will not help."""


@dataclass(frozen=True, slots=True)
class PageText:
    """Text, title and version of one page at one moment: they belong together."""

    title: str
    namespace: int
    text: str
    revision: int
    saved_at: datetime
    redirect: bool


def wikimedia_api(page: Page) -> str:
    """The address of the API of the page's own wiki.

    :raises ExtractRefused: the domain is not one of Wikimedia's, so nothing is fetched from it.
    """
    if not _WIKIMEDIA_HOST.fullmatch(page.domain):
        raise ExtractRefused(f"{page.domain!r} is not a Wikimedia domain")
    return f"https://{page.domain}/w/api.php"


class ExtractClient:
    """One HTTP request a page; never follows a redirect, never reads more than 8 MiB. Thread-safe."""

    def __init__(
        self,
        client: httpx.Client,
        api_of: Callable[[Page], str],
        now: Callable[[], datetime],
        max_lag_seconds: int | None = None,
    ) -> None:
        self._client = client
        self._api_of = api_of
        self._now = now
        self._max_lag = max_lag_seconds

    def fetch(self, page: Page) -> PageText | None:
        """The newest text, or ``None`` where there is no such page.

        :raises SourceUnavailable: busy or away; try again.
        :raises ExtractRefused: never, for this page.
        """
        url = self._api_of(page)
        try:
            with self._client.stream("GET", url, params=self._parameters(page)) as response:
                wait = retry_after_seconds(response.headers.get("retry-after"), self._now())
                status = response.status_code
                if status in _BUSY_STATUS or status >= 500:
                    raise SourceUnavailable(f"status {status}", wait)
                if status != httpx.codes.OK:
                    raise ExtractRefused(f"status {status}")
                body = _read_json(response)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{type(error).__name__}: {error}") from None
        except httpx.InvalidURL as error:  # a title of more than 64 kB
            raise ExtractRefused(str(error)) from None
        return _page_text(body, wait)

    def _parameters(self, page: Page) -> dict[str, str]:
        wanted = {"titles": page.title} if page.page_id is None else {"pageids": str(page.page_id)}
        limit = {} if self._max_lag is None else {"maxlag": str(self._max_lag)}
        return {
            "action": "query",
            "prop": "extracts|info|revisions",
            "rvprop": "ids|timestamp",
            "explaintext": "1",
            "exsectionformat": "plain",
            "format": "json",
            "formatversion": "2",
            **limit,
            **wanted,
        }


def _read_json(response: httpx.Response) -> Fields:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise ExtractRefused(f"more than {MAX_RESPONSE_BYTES} bytes")
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceUnavailable(f"the answer is not JSON: {error}") from None
    return Fields(body if isinstance(body, dict) else {})


def _page_text(body: Fields, wait: float | None) -> PageText | None:
    code = body.optional_child("error").optional_text("code")
    if code in _PASSING_ERRORS:
        raise SourceUnavailable(f"the API says {code}", wait)
    if code is not None:
        raise ExtractRefused(f"the API says {code}")
    try:
        query = body.child("query")
        page = query.first("pages")
        if page.flag("missing") or page.flag("invalid"):
            return None
        revision = page.identifier("lastrevid")
        return PageText(
            title=page.text("title"),
            namespace=page.integer("ns"),
            text=(page.optional_text("extract") or "").strip(),
            revision=revision,
            saved_at=page.first("revisions").time("timestamp"),
            redirect=page.flag("redirect"),
        )
    except InvalidEvent as error:
        raise ExtractRefused(f"the answer is not understood: {error.detail}") from None
