"""How much it reads and writes, and how it fails."""

from __future__ import annotations

from deploy.dashboards.boards.llm.names import USAGE
from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import increase, mean, quantile, rate_or_zero

TOKENS = Row(
    "Tokens and failures",
    (
        Panel(
            Kind.TIMESERIES,
            "Tokens a second by direction",
            "short",
            Advice(
                "Tokens read and written, as the model counted them: what a paid model bills.",
                "input is many times output: passages are longer than answers.",
                "input rises alone: longer passages, or a higher top_k.",
            ),
            (Query(rate_or_zero(f"{USAGE}_sum", "gen_ai_token_type"), "{{gen_ai_token_type}}"),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Tokens of one answer",
            "short",
            Advice(
                "The mean number of tokens that one answer read and wrote.",
                "steady.",
                "output near the limit: answers are cut off.",
            ),
            (Query(mean(USAGE, "gen_ai_token_type"), "{{gen_ai_token_type}}"),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Failures by reason",
            "ops",
            Advice(
                "Questions that the model did not answer to the end, by reason, and further attempts.",
                "none.",
                "unavailable: the model server is away. refused: key, model name or prompt length. "
                "queue_*: LLMOverloaded.",
            ),
            (
                Query(rate_or_zero("rag_llm_failures_total", "reason"), "{{reason}}"),
                Query(rate_or_zero("rag_llm_retries_total"), "further attempts"),
            ),
            Limits(warn=0.01, bad=0.1),
        ),
        Panel(
            Kind.TIMESERIES,
            "Model loads",
            "short",
            Advice(
                "Loads of the model that ended well, in each interval.",
                "one at the start of an API process.",
                "repeated loads: the model's process dies, mostly for lack of memory (Infrastructure).",
            ),
            (Query(increase("rag_llm_model_load_duration_seconds_count"), "loads"),),
            Limits(warn=2, bad=4),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Time to load the model",
            "s",
            Advice(
                "p95 of the time that loading took; questions get quotes meanwhile.",
                "seconds for the bundled model, minutes for a large one from a slow disk.",
                "longer than before: a cold or busy disk.",
            ),
            (Query(quantile(0.95, "rag_llm_model_load_duration_seconds"), "p95"),),
            Limits(warn=60, bad=300),
            width=12,
        ),
    ),
)
