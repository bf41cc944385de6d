"""The language model and the embedding model: state, speed, tokens, failures."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Board, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import increase, mean, or_else, quantile, rate, rate_or_zero, share

_OPERATION = "gen_ai_client_operation_duration_seconds"
_FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
_TOKENS = "gen_ai_client_token_usage"
_CHAT = 'gen_ai_operation_name="chat"'
_EMBEDDINGS = 'gen_ai_operation_name="embeddings"'
_FAILED = rate("rag_llm_failures_total", window="5m")
_WRITTEN = rate(f"{_OPERATION}_count", where=f'{_CHAT}, error_type=""', window="5m")

_STATE = Row(
    "State",
    (
        Panel(
            Kind.STAT,
            "State of the language model",
            "short",
            Advice(
                "What the API thinks of its language model; the worst of several API processes.",
                "ready, or none where LLM=extractive: answers are quotes then.",
                "not asked: it failed several times in a row and is tried again by itself; see failures "
                "and LLMDown.",
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
                "the panel of failures below says why; above 20 % LLMDown fires. Answers are quotes "
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

_SPEED = Row(
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
                Query(quantile(0.5, _OPERATION, where=_CHAT), "p50"),
                Query(quantile(0.95, _OPERATION, where=_CHAT), "p95", exemplars=True),
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
                        rate(f"{_TOKENS}_sum", "gen_ai_request_model", 'gen_ai_token_type="output"'),
                        rate(f"{_OPERATION}_sum", "gen_ai_request_model", _CHAT),
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
                    rate_or_zero(f"{_OPERATION}_count", "gen_ai_request_model", _CHAT),
                    "{{gen_ai_request_model}}",
                ),
            ),
            width=12,
        ),
    ),
)

_TOKENS_ROW = Row(
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
            (Query(rate_or_zero(f"{_TOKENS}_sum", "gen_ai_token_type"), "{{gen_ai_token_type}}"),),
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
            (Query(mean(_TOKENS, "gen_ai_token_type"), "{{gen_ai_token_type}}"),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Failures by reason",
            "ops",
            Advice(
                "Questions that the model did not answer to the end, by reason, and further attempts.",
                "none.",
                "unavailable: the model server is away. refused: key, model name or prompt length. "
                "queue_*: too much asked.",
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

_EMBEDDING = Row(
    "Embedding",
    (
        Panel(
            Kind.TIMESERIES,
            "Time of an embedding call",
            "s",
            Advice(
                "p95 of one call of the embedding model: questions in the api, chunks in the processor.",
                "milliseconds in the api, up to a second for a large batch in the processor.",
                "a rise in the api with a backlog in the processor: both want the same CPU.",
            ),
            (Query(quantile(0.95, _OPERATION, "job", _EMBEDDINGS), "{{job}}", exemplars=True),),
            Limits(warn=1, bad=5),
        ),
        Panel(
            Kind.TIMESERIES,
            "Texts in one embedding call",
            "short",
            Advice(
                "The mean batch: chunks in the processor, questions that arrived together in the api.",
                "1 in the api when calm; grows with load, which is what keeps it fast.",
                "1 in the processor under load: events arrive singly, batches are not filled.",
            ),
            (Query(mean("rag_embedding_batch_size", "job"), "{{job}}"),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Embedding calls",
            "ops",
            Advice(
                "Calls of the embedding model a second.",
                "follows questions and edits.",
                "0 in the processor with a lag: open Pipeline.",
            ),
            (Query(rate_or_zero(f"{_OPERATION}_count", "job", _EMBEDDINGS), "{{job}}"),),
        ),
    ),
)

LLM = Board(
    "live-rag-llm",
    "Live RAG: LLM",
    "The language model and the embedding model: whether they answer, how fast, how much.",
    (_STATE, _SPEED, _TOKENS_ROW, _EMBEDDING),
)
