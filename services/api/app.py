"""The ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from anyio import to_thread
from fastapi import FastAPI, Security
from fastapi.routing import iter_route_contexts
from fastapi.security import APIKeyHeader, HTTPBearer

from services.api.chat.errors import DESCRIBED_ERRORS
from services.api.dependencies import Dependencies
from services.api.error_handlers import add_error_handlers
from services.api.line import Line
from services.api.middleware.authentication import AuthenticationMiddleware
from services.api.middleware.body_limit import BodyLimitMiddleware
from services.api.middleware.request_context import RequestContextMiddleware
from services.api.problem import described_problems
from services.api.routes import chat, documents, questions, stats, watch
from services.api.routes.operations import operations_router
from services.api.routes.web import web_router
from services.api.searching import Searches
from shared.observability.metrics import ApiMetrics


def create_app(dependencies: Dependencies) -> FastAPI:
    """Everything over HTTP."""
    app = FastAPI(
        title="live-rag",
        description="Questions about what is happening now: grounded, cited, dated answers.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        # RequestContextMiddleware has spans and metrics, under our names.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.dependencies = dependencies
    app.state.searches = Line(
        Searches(dependencies).answer, threads=dependencies.search_threads, name="search"
    )
    add_error_handlers(app)
    # For the documentation; AuthenticationMiddleware is what checks keys.
    schemes = [
        Security(HTTPBearer(auto_error=False)),
        Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
    ]
    for module in (questions, documents, stats, watch):
        app.include_router(
            module.router, dependencies=schemes, responses=described_problems(401, 413, 422, 503)
        )
    app.include_router(chat.router, dependencies=schemes, responses=DESCRIBED_ERRORS)
    app.include_router(operations_router())
    app.include_router(web_router())
    _initialise_durations(app, dependencies.metrics)
    # The one added last is outermost.
    app.add_middleware(BodyLimitMiddleware, max_bytes=dependencies.settings.max_body_bytes)
    app.add_middleware(AuthenticationMiddleware, keys=dependencies.keys)
    app.add_middleware(RequestContextMiddleware, tracer=dependencies.tracer, metrics=dependencies.metrics)
    return app


def _initialise_durations(app: FastAPI, metrics: ApiMetrics) -> None:
    """Of the routes that people use, with the status of their success."""
    for route in iter_route_contexts(app.routes):
        path = route.path_format or ""
        if path.startswith("/v1/"):
            for method in route.methods or ():
                metrics.http_duration.labels(method, path, str(route.status_code or 200))


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    dependencies: Dependencies = app.state.dependencies
    to_thread.current_default_thread_limiter().total_tokens = dependencies.settings.threads
    yield
    app.state.searches.close()
