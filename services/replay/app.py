"""The HTTP application: streams, the MediaWiki API, readable pages, control."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.replay.connections import Connections
from services.replay.control_routes import control_routes
from services.replay.event_log import EventLog
from services.replay.mediawiki_api import ApiError, query
from services.replay.page_view import render_missing, render_page
from services.replay.publisher import Publisher, Source
from services.replay.stream_route import StreamEndpoint
from services.replay.wiki import Pages

logger = logging.getLogger(__name__)


def create_app(
    publisher: Publisher, source: Source, log: EventLog, connections: Connections, cut_after: float
) -> Starlette:
    """Publishing starts and ends with the application's lifespan."""

    @contextlib.asynccontextmanager
    async def publishing(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(publisher.run())
        task.add_done_callback(_report_failure)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/v2/stream/{streams}", StreamEndpoint(log, connections, cut_after)),
            *_wiki_routes(source.pages),
            *control_routes(publisher, source, connections),
            Route("/health/live", live),
            Route("/health/ready", live),
        ],
        lifespan=publishing,
    )


def _report_failure(publishing: asyncio.Task[None]) -> None:
    """At once: whoever awaits the task does so when the server ends."""
    error = None if publishing.cancelled() else publishing.exception()
    if error is not None:
        logger.error("publishing has ended", exc_info=error)


def _wiki_routes(pages: Pages) -> list[Route]:
    async def api(request: Request) -> JSONResponse:
        try:
            return JSONResponse(query(dict(request.query_params), pages))
        except ApiError as error:
            return JSONResponse(error.body, headers={"MediaWiki-API-Error": error.code})

    async def page_by_title(request: Request) -> Response:
        title = str(request.path_params["title"]).replace("_", " ")
        page = pages.by_title(title)
        if page is not None and page.redirect_to is not None:
            return RedirectResponse(f"/wiki/{page.redirect_to.replace(' ', '_')}")
        if page is None:
            return HTMLResponse(render_missing(title), 404)
        wanted = request.query_params.get("oldid", str(page.current.rev_id))
        revision = next((r for r in page.revisions if str(r.rev_id) == wanted), None)
        if revision is None:
            return HTMLResponse(render_missing(f"{title}, revision {wanted}"), 404)
        return HTMLResponse(render_page(page, revision))

    async def page_by_revision(request: Request) -> Response:
        """The links of recentchange: ``diff`` names the revision that they show."""
        wanted = request.query_params.get("diff") or request.query_params.get("oldid", "")
        page = pages.by_revision(int(wanted)) if wanted.isdecimal() else None
        if page is None:
            return HTMLResponse(render_missing(f"revision {wanted}"), 404)
        return RedirectResponse(f"/wiki/{page.title.replace(' ', '_')}?oldid={wanted}")

    return [
        Route("/w/api.php", api),
        Route("/w/index.php", page_by_revision),
        Route("/wiki/{title:path}", page_by_title),
    ]
