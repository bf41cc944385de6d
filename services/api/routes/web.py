"""The web page and the API's documentation, from our own files only."""

from __future__ import annotations

import importlib.resources
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

_PAGE = Path(str(importlib.resources.files("services.api.page")))
_SWAGGER = Path(str(importlib.resources.files("fastapi_offline"))) / "static"

_BASE_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
)
_PAGE_POLICY = _BASE_POLICY + "style-src 'self'; img-src 'self'"
# Swagger UI sets style attributes and draws its icons from data: URLs.
_DOCS_POLICY = _BASE_POLICY + "style-src 'self' 'unsafe-inline'; img-src 'self' data:"

_FILES = {
    "/": (_PAGE / "index.html", _PAGE_POLICY),
    "/assets/app.css": (_PAGE / "app.css", _PAGE_POLICY),
    "/assets/app.js": (_PAGE / "app.js", _PAGE_POLICY),
    "/assets/icon.svg": (_PAGE / "icon.svg", _PAGE_POLICY),
    "/docs": (_PAGE / "docs.html", _DOCS_POLICY),
    "/docs/start.js": (_PAGE / "docs.js", _DOCS_POLICY),
    "/docs/swagger-ui-bundle.js": (_SWAGGER / "swagger-ui-bundle.js", _DOCS_POLICY),
    "/docs/swagger-ui.css": (_SWAGGER / "swagger-ui.css", _DOCS_POLICY),
}


def web_router() -> APIRouter:
    """One route for each file: nothing else on disk can be reached."""
    router = APIRouter(include_in_schema=False)
    for path, (file, policy) in _FILES.items():
        router.add_api_route(path, _serve(file, policy), methods=["GET", "HEAD"], response_class=FileResponse)
    return router


def _serve(file: Path, policy: str) -> Callable[[], Awaitable[FileResponse]]:
    async def serve() -> FileResponse:
        return FileResponse(file, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})

    return serve
