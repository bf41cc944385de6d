"""A question's way: rate, errors, duration, and how good the evidence and the answers are."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Board, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import buckets, mean, or_else, quantile, rate, rate_or_zero, share

_TRAFFIC = Row(
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
                "5xx: 503 says that a dependency is away and which; 500 is a bug, its trace id is in the "
                "log.",
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

_LATENCY = Row(
    "Where the time goes",
    (
        Panel(
            Kind.TIMESERIES,
            "Time to answer",
            "s",
            Advice(
                "How long questions took, by quantile, errors aside; a dot leads to the trace of one "
                "question.",
                "p95 well under 10 s with a model; 0 while nobody asks.",
                "follow a slow dot to Jaeger; the next panels say which stage.",
            ),
            (
                Query(quantile(0.5, "rag_request_duration_seconds"), "p50"),
                Query(quantile(0.95, "rag_request_duration_seconds"), "p95", exemplars=True),
                Query(quantile(0.99, "rag_request_duration_seconds"), "p99"),
            ),
            Limits(warn=5, bad=10),
        ),
        Panel(
            Kind.HEATMAP,
            "Time to answer, every question",
            "s",
            Advice(
                "Questions by how long they took: the darker, the more; dots lead to traces.",
                "one band for quotes and kept answers, one for generated ones.",
                "a third, slower band is a queue or a cold start: look at its traces.",
            ),
            (Query(buckets("rag_request_duration_seconds"), "{{le}}", exemplars=True),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Stages, p95",
            "s",
            Advice(
                "p95 of each stage of an answer, one upon the other; a stage that was skipped is 0.",
                "generate is nearly all of it; the others take milliseconds.",
                "embed or retrieve above 0.1 s: the machine is short of CPU, or the store is slow "
                "(Infrastructure).",
            ),
            (Query(quantile(0.95, "rag_stage_duration_seconds", "stage"), "{{stage}}", exemplars=True),),
            Limits(warn=5, bad=10),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "HTTP p95 by route",
            "s",
            Advice(
                "p95 of every route, to the end of the response; streams last as long as their reader stays.",
                "/v1/search in milliseconds; /v1/watch streams are long by nature.",
                "all routes slow: the process is short of CPU. One route: follow its dots to traces.",
            ),
            (
                Query(
                    quantile(0.95, "http_server_request_duration_seconds", "http_route"),
                    "{{http_route}}",
                    exemplars=True,
                ),
            ),
            Limits(warn=5, bad=10),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Requests being answered",
            "short",
            Advice(
                "Requests under way now, by method, open streams included.",
                "a handful; each standing question of a client counts one.",
                "a rise without more traffic: answers have become slow, see Stages.",
            ),
            (
                Query(
                    or_else("sum by (http_request_method) (http_server_active_requests)", 0),
                    "{{http_request_method}}",
                ),
            ),
            Limits(warn=50, bad=200),
            stacked=True,
            width=12,
        ),
    ),
)

_EVIDENCE = Row(
    "Evidence",
    (
        Panel(
            Kind.TIMESERIES,
            "Similarity of the best evidence",
            "percentunit",
            Advice(
                "How near the best passage comes to the question, over questions that have evidence.",
                "a median of 50 to 80 %, steady over days; 100 % is drawn while nobody asks.",
                "a fall: questions of another kind, or another embedding model than the index was made with.",
            ),
            (
                Query(quantile(0.1, "rag_retrieval_top_score", quiet=1), "p10"),
                Query(quantile(0.5, "rag_retrieval_top_score", quiet=1), "p50"),
            ),
            Limits(warn=0.4, bad=0.25),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Questions without evidence",
            "percentunit",
            Advice(
                "The share of questions that ended with 'nothing found', and those that retrieval found "
                "nothing for.",
                "below 15 %; 0 while nobody asks.",
                "above 30 %: is the index filled (Pipeline), are filters or the time window too narrow?",
            ),
            (
                Query(
                    share(
                        rate("rag_requests_total", where='outcome="no_context"'),
                        rate("rag_requests_total"),
                        0,
                    ),
                    "no answer",
                ),
                Query(
                    share(rate("rag_retrieval_empty_total"), rate("rag_retrieved_documents_count"), 0),
                    "nothing retrieved",
                ),
            ),
            Limits(warn=0.15, bad=0.3),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Age of cited documents",
            "s",
            Advice(
                "How long ago the documents that answers cite were last edited.",
                "young for questions about news, any for others; 0 while nobody asks.",
                "if all is old, check on Pipeline that edits arrive.",
            ),
            (
                Query(quantile(0.5, "rag_context_age_seconds"), "p50"),
                Query(quantile(0.9, "rag_context_age_seconds"), "p90"),
            ),
        ),
        Panel(
            Kind.TIMESERIES,
            "Documents found for a question",
            "short",
            Advice(
                "How many documents retrieval brings, by quantile.",
                "up to the number that is asked for, top_k.",
                "a falling p10 comes before 'nothing found'.",
            ),
            (
                Query(quantile(0.1, "rag_retrieved_documents"), "p10"),
                Query(quantile(0.5, "rag_retrieved_documents"), "p50"),
            ),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Search in the store, p95",
            "s",
            Advice(
                "p95 of the store's calls that a question needs.",
                "below 50 ms.",
                "grows with the index: docs/stores.md says what the stores are made for.",
            ),
            (
                Query(
                    quantile(
                        0.95,
                        "db_client_operation_duration_seconds",
                        "db_operation_name",
                        'db_operation_name=~"search|nearest|get_many|embeddings"',
                    ),
                    "{{db_operation_name}}",
                ),
            ),
            Limits(warn=0.1, bad=0.5),
            width=12,
        ),
    ),
)

_ANSWERS = Row(
    "Answers",
    (
        Panel(
            Kind.TIMESERIES,
            "Groundedness",
            "percentunit",
            Advice(
                "The share of a generated answer's sentences that a source supports, before the others are "
                "replaced.",
                "p50 above 80 %; 100 % is drawn while no model writes.",
                "below 60 %: the model is too small or its prompt is cut; look at the LLM's tokens and "
                "pick another.",
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

ASK = Board(
    "live-rag-ask",
    "Live RAG: Ask path",
    "From the question to the cited answer: how many, how long, which stage, how good.",
    (_TRAFFIC, _LATENCY, _EVIDENCE, _ANSWERS),
)
