"""The objectives, and how much of what they allow is left."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, rate, share, within

ERROR_BUDGET = 0.005
"""Share of asks that may fail: the SLO is 99.5 % over 30 days."""
_ERROR = 'outcome="error"'
_ASKED = 'outcome!="abandoned"'
"""Those whose client left are nobody's failure."""


def _share_of(outcomes: str, window: str, quiet: float) -> str:
    """Of all questions, those whose outcome is as the matcher ``outcomes`` says."""
    return share(
        rate("rag_requests_total", where=outcomes, window=window),
        rate("rag_requests_total", where=_ASKED, window=window),
        quiet,
    )


PROMISES = Row(
    "Promises",
    (
        Panel(
            Kind.STAT,
            "Asks without error (5 minutes)",
            "percentunit",
            Advice(
                "The share of questions that did not end in an error. Promised: 99.5 % over 30 days.",
                "100 %, also when nobody asks.",
                "open Ask path, then the API's log with a trace id from there; AskBudgetBurnFast has a "
                "runbook.",
            ),
            (
                Query(
                    _share_of('outcome!~"error|abandoned"', "5m", 1),
                    "asks",
                ),
            ),
            Limits(warn=0.999, bad=0.995),
            width=4,
            height=4,
            top=1,
            decimals=2,
        ),
        Panel(
            Kind.STAT,
            "Error budget left (30 days)",
            "percentunit",
            Advice(
                "What is left of the 0.5 % of asks that may fail in 30 days.",
                "falls slowly and comes back as old errors leave the window; 100 % without errors.",
                "below 50 %: change nothing risky; at 0 the promise is broken, mend before anything else.",
            ),
            (
                Query(
                    f"1 - ({_share_of(_ERROR, '30d', 0)}) / {ERROR_BUDGET:g}",
                    "budget",
                ),
            ),
            Limits(warn=0.5, bad=0.1),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Asks within 10 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of questions answered within 10 s. Promised: 95 %.",
                "above 99 % on an idle machine, with the bundled model too.",
                "open Ask path: the stage that takes the time; mostly the model's queue (LLM).",
            ),
            (Query(within("10.0", "rag_request_duration_seconds", "5m"), "asks"),),
            Limits(warn=0.99, bad=0.95),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Edits searchable within 30 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of events that were searchable within 30 s of their time at the source. "
                "Promised: 99 %.",
                "100 %; after a standstill it falls while the backlog is read, then comes back.",
                "open Pipeline: lag, blocked intake, slow batches.",
            ),
            (Query(within("30.0", "rag_ingest_end_to_end_seconds", "5m"), "edits"),),
            Limits(warn=0.995, bad=0.99),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "First words within 5 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of generated answers whose first piece came within 5 s, the wait for a turn "
                "included. Promised: 95 %.",
                "above 95 %; 100 % where no language model is configured.",
                "open LLM: questions that wait, tokens a second.",
            ),
            (Query(within("5.0", "gen_ai_client_operation_time_to_first_chunk_seconds", "5m"), "answers"),),
            Limits(warn=0.98, bad=0.95),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Alerts firing",
            "short",
            Advice(
                "Alerts that fire now, by how urgent they are.",
                "0.",
                "the list above names them; each has a page in docs/runbook. A page cannot wait.",
            ),
            tuple(
                Query(
                    or_else(f'count(ALERTS{{alertstate="firing", severity="{severity}"}})', 0), f"{severity}s"
                )
                for severity in ("page", "ticket")
            ),
            Limits(warn=1, bad=2),
            width=4,
            height=4,
        ),
    ),
)
