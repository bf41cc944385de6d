"""How many, and how they end."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import rate_or_zero

TRAFFIC = Row(
    "Traffic and errors",
    (
        Panel(
            Kind.TIMESERIES,
            "Questions by outcome",
            "reqps",
            Advice(
                "Questions a second by how they ended; abandoned: the client left before the end.",
                "mostly answered, some no_context.",
                "error or degraded: the panels of failures here and on LLM say why.",
            ),
            (Query(rate_or_zero("rag_requests_total", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "HTTP requests by route",
            "reqps",
            Advice(
                "All requests to the API, by route.",
                "as many as your clients send; unmatched is somebody who probes.",
                "a jump of one route is a client in a loop: rate-limit its key.",
            ),
            (
                Query(
                    rate_or_zero("http_server_request_duration_seconds_count", "http_route"), "{{http_route}}"
                ),
            ),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "HTTP refusals and errors",
            "reqps",
            Advice(
                "Responses of 400 and above, by status.",
                "none, or a few 4xx: clients' mistakes, 429 and 401 among them.",
                "ApiErrorsHigh. 503 says which dependency is away; 500 is a bug, its trace id is in the log.",
            ),
            (
                Query(
                    rate_or_zero(
                        "http_server_request_duration_seconds_count",
                        "http_response_status_code",
                        'http_response_status_code=~"[45].."',
                    ),
                    "{{http_response_status_code}}",
                ),
            ),
            Limits(warn=0.1, bad=1),
        ),
    ),
)
