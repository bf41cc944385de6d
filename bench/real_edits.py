"""``python -m bench.real_edits``: real Wikipedia edits at the rate of the whole live stream; nothing lost?

Replays the first edits of ``../shared/data/wikipedia-edits-2015-09-12.json.gz`` through a stack of its
own, computes from the file alone which documents must be there in which revision, and asks the API.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.stack import ROOT, RunningStack, started_stack
from bench.statistics import spread

EDITS = ROOT.parent / "shared" / "data" / "wikipedia-edits-2015-09-12.json.gz"
_FIRST_REVISION = 600_000_000


@dataclass(slots=True)
class Result:
    """``faults``: documents that are missing or in another revision. ``lags``: records, each second."""

    expected: int
    documents: int = 0
    faults: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    dead_letters: float = 0.0
    drained_after: float = 0.0


def expected_revisions(count: int) -> dict[str, int]:
    """Document id → newest revision, after the first ``count`` edits of the file."""
    pages: dict[tuple[str, str], int] = {}
    newest: dict[str, int] = {}
    with gzip.open(EDITS, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, count)):
            edit = json.loads(line)
            language = edit["channel"].removeprefix("#").removesuffix(".wikipedia")
            page_id = pages.setdefault((language, edit["page"]), len(pages) + 1)
            newest[f"{language}wiki:{page_id}"] = _FIRST_REVISION + number
    return newest


def replayed(folder: Path, rate: int, seconds: int) -> Result:
    """Start a stack on the file, wait until all of it is indexed, and compare."""
    count = rate * seconds
    settings = {
        "REPLAY_FILE": str(EDITS),
        "REPLAY_LIMIT": str(count),
        "REPLAY_RATE": str(rate),
        "ENRICH": "none",
        "WIKIMEDIA_WIKIS": "*",
        "WIKIMEDIA_NAMESPACES": "*",
        "WIKIMEDIA_INCLUDE_BOTS": "true",
    }
    expected = expected_revisions(count)
    result = Result(len(expected))
    with started_stack(folder, **settings) as stack:
        _wait_until_indexed(stack, count, result)
        result.documents = stack.api.get("/v1/stats").json()["documents"]
        result.dead_letters = stack.metric("producer", "rag_dlq_messages_total") + stack.metric(
            "processor", "rag_dlq_messages_total"
        )
        for document_id, revision in expected.items():
            response = stack.api.get(f"/v1/documents/{document_id}")
            stored = response.json().get("revision") if response.is_success else None
            if stored != revision:
                result.faults.append(f"{document_id}: revision {stored} instead of {revision}")
    return result


def _wait_until_indexed(stack: RunningStack, count: int, result: Result) -> None:
    finished_at: float | None = None
    while True:
        status = stack.replay.get("/replay/status").json()
        lag = stack.metric("processor", "rag_consumer_lag_messages")
        done = stack.metric("processor", "rag_ingest_documents_total")
        if status["exhausted"] and finished_at is None:
            finished_at = time.monotonic()
        if finished_at is None:
            result.lags.append(lag)
        elif done >= count:
            result.drained_after = time.monotonic() - finished_at
            return
        elif time.monotonic() - finished_at > 120:
            result.faults.append(f"only {done:g} of {count} events processed two minutes after the last")
            return
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=int, default=40, help="edits a second (default 40)")
    parser.add_argument("--seconds", type=int, default=180, help="how long (default 180)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = replayed(Path(folder), arguments.rate, arguments.seconds)
    print(f"{arguments.rate * arguments.seconds} edits of {result.expected} pages at {arguments.rate}/s")
    print(f"documents in the store: {result.documents}; dead letters: {result.dead_letters:g}")
    print(f"missing or in another revision: {len(result.faults)}")
    third = max(1, len(result.lags) // 3)
    for name, lags in (("first", result.lags[:third]), ("last", result.lags[-third:])):
        print(f"consumer lag, {name} third: {spread(lags, 'records')}")
    print(f"all processed {result.drained_after:.1f} s after the last edit was sent")
    for fault in result.faults[:20]:
        print(f"FAILED {fault}")
    raise SystemExit(1 if result.faults or result.documents != result.expected else 0)


if __name__ == "__main__":
    main()
