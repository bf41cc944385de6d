"""A change → the document event that is sent: with the page's text, as far as it can be had."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.producer.changes import Change, Page
from services.producer.enrichment.adopt import adopt
from services.producer.enrichment.extract import ExtractClient, ExtractRefused, PageText
from services.producer.enrichment.rate_limit import RateLimiter
from shared.errors import SourceUnavailable
from shared.events import DocumentEvent, Operation
from shared.observability.metrics import ProducerMetrics
from shared.resilience.backoff import Backoff

log = logging.getLogger(__name__)

_RETRY_BASE_SECONDS = 0.25
_RETRY_CAP_SECONDS = 8.0
_BRINGS_A_PAGE = ("create", "undelete", "move")


class Abandoned(Exception):
    """The pipeline stops; the event is read again after the restart."""


@dataclass(frozen=True, slots=True)
class EnrichPolicy:
    max_chars: int
    attempts: int = 5


class Enricher:
    """Shared by the workers; thread-safe.

    ``wait`` sleeps, and returns whether the pipeline stops.
    """

    def __init__(
        self,
        client: ExtractClient,
        limiter: RateLimiter,
        policy: EnrichPolicy,
        metrics: ProducerMetrics,
        wait: Callable[[float], bool],
        rng: random.Random,
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._policy = policy
        self._metrics = metrics
        self._wait = wait
        self._rng = rng
        self._out_of_service = threading.Event()

    def enrich(self, change: Change) -> DocumentEvent | None:
        """``None`` where the page is gone: the event that says so is on its way.

        When the text cannot be had in a few attempts, the event goes with title and comment alone.

        :raises Abandoned: the pipeline stops.
        """
        if change.page is None:
            return change.event
        try:
            page = self._fetch(change.page, must_exist=_brings_a_page(change))
        except (SourceUnavailable, ExtractRefused) as error:
            self._metrics.enrich_failures.inc()
            log.warning(
                "the page's text could not be fetched; sending title and comment",
                extra={"document_id": change.event.document.document_id, "error": str(error)},
            )
            return change.event
        if page is None or _has_left(page, change):
            return None
        if page.redirect:
            document = replace(change.event.document, text="")
            return replace(change.event, op=Operation.DELETE, document=document)
        return adopt(change, page, self._policy.max_chars)

    def _fetch(self, page: Page, *, must_exist: bool) -> PageText | None:
        """The API's database may be behind the stream, so that it does not know a new page yet."""
        backoff = Backoff(_RETRY_BASE_SECONDS, _RETRY_CAP_SECONDS, self._rng)
        # While the service is away each event gets one attempt, so that the stream does not stand still.
        attempts = 1 if self._out_of_service.is_set() else self._policy.attempts
        for attempt in range(1, attempts + 1):
            self._pause(self._limiter.reserve())
            try:
                with self._metrics.enrich_duration.time():
                    text = self._client.fetch(page)
            except SourceUnavailable as error:
                if error.retry_after is not None:
                    self._limiter.hold(error.retry_after)
                if attempt == attempts:
                    self._out_of_service.set()
                    raise
            else:
                self._out_of_service.clear()
                if text is None and not must_exist:
                    return None
                if text is not None and (page.revision is None or text.revision >= page.revision):
                    return text
                if attempt == attempts:
                    raise SourceUnavailable("the change has not reached the API yet")
            self._pause(backoff.next_delay())
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, seconds: float) -> None:
        if self._wait(seconds):
            raise Abandoned


def _brings_a_page(change: Change) -> bool:
    return change.event.document.attributes.get("change_kind") in _BRINGS_A_PAGE


def _has_left(page: PageText, change: Change) -> bool:
    """Whether a later event takes the page away, or may do so: it became a redirect, or moved to another
    namespace. Adopting that revision would make the event a duplicate. A page that is asked for by title
    stays in its namespace."""
    document = change.event.document
    moved = (
        bool(page.text)
        and change.page is not None
        and change.page.page_id is not None
        and page.namespace != document.attributes.get("namespace")
    )
    return page.revision > document.revision and (page.redirect or moved)
