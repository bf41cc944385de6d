"""How fast it writes."""

from __future__ import annotations

from deploy.dashboards.boards.llm.names import CHAT, OPERATION, USAGE
from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import quantile, rate, rate_or_zero, share

_FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"

SPEED = Row(
    "Speed",
    (
        Panel(
            Kind.TIMESERIES,
            "Time to the first piece",
            "s",
            Advice(
                "From asking the model, the wait for a turn included, to the first piece of its answer.",
                "p95 below 5 s on a CPU; 0 while nothing is generated.",
                "long with few waiting: prompts are long. Long with many waiting: the queue.",
            ),
            (Query(quantile(0.5, _FIRST), "p50"), Query(quantile(0.95, _FIRST), "p95")),
            Limits(warn=3, bad=5),
        ),
        Panel(
            Kind.TIMESERIES,
            "Time of a whole answer",
            "s",
            Advice(
                "From asking the model to the last piece read; a dot leads to the trace of one answer.",
                "p95 below 10 s.",
                "compare with tokens a second: longer answers, or a slower model?",
            ),
            (
                Query(quantile(0.5, OPERATION, where=CHAT), "p50"),
                Query(quantile(0.95, OPERATION, where=CHAT), "p95", exemplars=True),
            ),
            Limits(warn=5, bad=10),
        ),
        Panel(
            Kind.TIMESERIES,
            "Time between pieces",
            "s",
            Advice(
                "How long a reader waits from one piece of the answer to the next.",
                "below 0.1 s: faster than reading.",
                "a rise: the machine is short of CPU, often by the processor's embedding of a backlog.",
            ),
            (
                Query(quantile(0.5, "gen_ai_client_operation_time_per_output_chunk_seconds"), "p50"),
                Query(quantile(0.95, "gen_ai_client_operation_time_per_output_chunk_seconds"), "p95"),
            ),
            Limits(warn=0.2, bad=0.5),
        ),
        Panel(
            Kind.TIMESERIES,
            "Tokens a second of one answer",
            "short",
            Advice(
                "Output tokens by the time that was spent on writing them, by model.",
                "steady for a model on a machine; 0 while nothing is generated.",
                "a fall under load is CPU shared with others; a fall alone is the model server.",
            ),
            (
                Query(
                    share(
                        rate(f"{USAGE}_sum", "gen_ai_request_model", 'gen_ai_token_type="output"'),
                        rate(f"{OPERATION}_sum", "gen_ai_request_model", CHAT),
                        0,
                    ),
                    "{{gen_ai_request_model}}",
                ),
            ),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Answers by model",
            "reqps",
            Advice(
                "Answers a second that the model began, by model.",
                "as many as there are questions with evidence, kept answers aside.",
                "0 while questions are asked: see state and failures.",
            ),
            (
                Query(
                    rate_or_zero(f"{OPERATION}_count", "gen_ai_request_model", CHAT),
                    "{{gen_ai_request_model}}",
                ),
            ),
            width=12,
        ),
    ),
)
