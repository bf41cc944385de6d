"""How good answers are, and those that are kept or watched for."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import mean, or_else, quantile, rate, rate_or_zero, share

ANSWERS = Row(
    "Answers",
    (
        Panel(
            Kind.TIMESERIES,
            "Groundedness",
            "percentunit",
            Advice(
                "The share of a generated answer's sentences that a source supports, before the others "
                "are replaced.",
                "p50 above 80 %; 100 % is drawn while no model writes.",
                "GroundednessLow: the model is too small or its prompt is cut; look at the LLM's tokens "
                "and pick another.",
            ),
            (
                Query(quantile(0.1, "rag_groundedness_ratio", quiet=1), "p10"),
                Query(quantile(0.5, "rag_groundedness_ratio", quiet=1), "p50"),
            ),
            Limits(warn=0.8, bad=0.6),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Answers put right",
            "ops",
            Advice(
                "Sentences replaced by a quote, and citations that were not valid, by reason.",
                "a few; source_changed is the stream being faster than the answer.",
                "many unknown_passage: the model makes up markers; see Groundedness.",
            ),
            (
                Query(rate_or_zero("rag_answer_sentences_replaced_total"), "sentence replaced"),
                Query(rate_or_zero("rag_citations_invalid_total", "reason"), "{{reason}}"),
            ),
            Limits(warn=0.5, bad=2),
        ),
        Panel(
            Kind.TIMESERIES,
            "Kept answers",
            "percentunit",
            Advice(
                "How questions fared among the kept answers; invalidated: kept, but the index has changed "
                "since.",
                "hits only where questions repeat.",
                "no hits on repeated questions: the cache is off, or everything cited changes all the time.",
            ),
            tuple(
                Query(
                    share(
                        rate("rag_cache_requests_total", where=f'result="{result}"'),
                        rate("rag_cache_requests_total"),
                        0,
                    ),
                    result,
                )
                for result in ("hit", "miss", "invalidated")
            ),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Tokens of the prompt",
            "short",
            Advice(
                "How long the prompts are, by quantile.",
                "within the model's context less its answer.",
                "at the limit, passages are left out: fewer or shorter ones (top_k), or a larger context.",
            ),
            (
                Query(quantile(0.5, "rag_context_tokens"), "p50"),
                Query(quantile(0.95, "rag_context_tokens"), "p95"),
                Query(mean("rag_context_tokens"), "mean"),
            ),
        ),
        Panel(
            Kind.TIMESERIES,
            "Standing questions",
            "short",
            Advice(
                "Questions that clients left standing with /v1/watch.",
                "as many as clients hold open.",
                "a number that only grows: a client does not close its streams.",
            ),
            (Query(or_else("sum(rag_watches)", 0), "standing"),),
            Limits(warn=80, bad=100),
        ),
        Panel(
            Kind.TIMESERIES,
            "Evidence told to standing questions",
            "ops",
            Advice(
                "Events sent to those who watch, a second.",
                "follows the edits that match.",
                "0 with standing questions and edits: similarity limits are too strict.",
            ),
            (Query(rate_or_zero("rag_watch_events_total"), "events"),),
        ),
    ),
)
