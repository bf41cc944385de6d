"""Whether the language model answers."""

from __future__ import annotations

from deploy.dashboards.boards.llm.names import CHAT, OPERATION
from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, rate, share

_FAILED = rate("rag_llm_failures_total", window="5m")
_WRITTEN = rate(f"{OPERATION}_count", where=f'{CHAT}, error_type=""', window="5m")

STATE = Row(
    "State",
    (
        Panel(
            Kind.STAT,
            "State of the language model",
            "short",
            Advice(
                "What the API thinks of its language model; the worst of several API processes.",
                "ready, or none where LLM=extractive: answers are quotes then.",
                "not asked: it failed several times in a row and is tried again by itself; see LLMDown "
                "and LLMNotLoaded.",
            ),
            (
                Query(
                    or_else(
                        'max(1 * rag_llm_state{state="closed"} or 2 * rag_llm_state{state="half_open"} '
                        'or 3 * rag_llm_state{state="loading"} or 4 * rag_llm_state{state="open"})',
                        0,
                    ),
                    "state",
                ),
            ),
            Limits(warn=2, bad=4),
            states=((0, "none"), (1, "ready"), (2, "being tried"), (3, "loading"), (4, "not asked")),
            width=6,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Failed questions (5 minutes)",
            "percentunit",
            Advice(
                "The share of questions to the model that it did not answer to the end.",
                "0 %.",
                "the panel of failures below says why; above 20 % LLMFailing fires. Answers are quotes "
                "meanwhile.",
            ),
            (Query(share(_FAILED, f"({_FAILED} + {_WRITTEN})", 0), "failed"),),
            Limits(warn=0.05, bad=0.2),
            width=6,
            height=4,
            top=1,
        ),
        Panel(
            Kind.STAT,
            "Answers being written",
            "short",
            Advice(
                "Answers that the model writes at this moment.",
                "up to LLM_MAX_CONCURRENT of each API process.",
                "always at the limit: the model is the bottleneck, see those who wait.",
            ),
            (Query(or_else("sum(rag_llm_in_flight)", 0), "written"),),
            Limits(warn=4, bad=8),
            width=6,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Questions waiting for their turn",
            "short",
            Advice(
                "Questions that wait because others are being answered.",
                "0 or a few for moments.",
                "lasting: a faster or smaller model, or more replicas; beyond the queue, questions get "
                "quotes.",
            ),
            (Query(or_else("sum(rag_llm_waiting)", 0), "waiting"),),
            Limits(warn=4, bad=8),
            width=6,
            height=4,
        ),
    ),
)
