"""Liveness, readiness and metrics. Open: probes and Prometheus bring no key."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from prometheus_client.exposition import choose_encoder
from starlette.responses import JSONResponse, Response

from services.api.dependencies import Deps
from shared.errors import StoreUnavailable
from shared.observability.store_gauges import refresh_store_gauges

_PROBE_THREADS = 2


def operations_router() -> APIRouter:
    """Its checks have threads of their own: a service busy with answers must not look dead."""
    router = APIRouter(tags=["operations"])
    run = functools.partial(to_thread.run_sync, limiter=CapacityLimiter(_PROBE_THREADS))

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        """The process turns."""
        return {"status": "ok"}

    @router.get("/health/ready", responses={503: {"description": "Not ready"}})
    async def ready(deps: Deps) -> Response:
        """The dependencies are usable; each one's state."""
        report = await run(deps.readiness.report)
        body: dict[str, Any] = {
            "status": "ok" if report.ready else "unavailable",
            "checks": {name: "unavailable" if name in report.failures else "ok" for name in report.checks},
        }
        return JSONResponse(body, 200 if report.ready else 503)

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request, deps: Deps) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))

        def expose() -> bytes:
            with contextlib.suppress(StoreUnavailable):  # which is a metric, too
                refresh_store_gauges(deps.store, deps.metrics.store)
            return encode(deps.registry)

        return Response(await run(expose), headers={"Content-Type": content_type})

    return router
