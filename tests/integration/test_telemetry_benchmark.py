"""The benchmark of telemetry, small: one side sends its spans and is scraped, the other neither."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bench.stores import NEWEST, embedded_document, fill, store_place
from bench.telemetry import (
    Cost,
    Pair,
    in_turns,
    measure_processor,
    measure_searches,
    report_processor,
    report_searches,
    started_apis,
)
from bench.telemetry_sides import (
    WITHOUT_TELEMETRY,
    full_telemetry,
    scraped,
    span_receiver,
    traced_record,
    untraced_record,
)
from bench.throughput import started_processor
from shared.embedder.hashing import HashingEmbedder
from tests.support.processes import wait_until

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
SENT = "rag_trace_spans_exported_total"


@pytest.fixture(autouse=True)
def hashing_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDER", "hashing")


@pytest.fixture(scope="module")
def full() -> Iterator[dict[str, str]]:
    with span_receiver() as url:
        yield {**full_telemetry(url), **SOON}


def test_sides_take_turns_at_being_first() -> None:
    order: list[str] = []

    def side(name: str) -> Cost:
        order.append(name)
        return Cost(1.0 if name == "off" else 2.0, 0.0)

    pairs = [in_turns(number, lambda: side("off"), lambda: side("full")) for number in range(4)]
    assert order == ["off", "full", "full", "off"] * 2
    assert pairs == [Pair(Cost(1.0, 0.0), Cost(2.0, 0.0))] * 4


def test_processor(full: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with (
        started_processor(untraced_record, **WITHOUT_TELEMETRY) as plain,
        started_processor(traced_record, **full) as traced,
    ):
        pairs = measure_processor(plain, traced, documents=10, rounds=2, seed=1, settle=0)
        # Of each document: cut, embedded, written.
        wait_until(lambda: traced.metric(SENT) >= 3 * 2 * 10, 30, "the spans of two rounds")
        assert plain.metric(SENT) == 0
        assert traced.metric("rag_trace_spans_dropped_total") == 0
    assert all(pair.off.seconds > 0 and pair.full.seconds > 0 for pair in pairs)
    report_processor([Pair(Cost(1.0, 2.0), Cost(2.0, 3.0))] * 3)
    assert "documents/s, full/off: median 0.500" in capsys.readouterr().out


def test_searches(full: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embedder = HashingEmbedder()
    documents = [
        embedded_document(
            f"page:{number}",
            [f"text {number}"],
            embedder.embed([f"text {number}"]),
            updated_at=NEWEST,
            wiki="enwiki",
        )
        for number in range(20)
    ]
    with store_place("faiss", embedder.dimension, tmp_path) as bare_place:
        place = replace(bare_place, embedder_name=embedder.name)
        with contextlib.closing(place.open()) as store:
            fill(store, documents, "filling")
        with started_apis(place, tmp_path, full) as (plain, traced):
            questions = [f"text {number}" for number in range(6)]
            off_times, full_times, whole = measure_searches(plain, traced, questions, settle=0)
            wait_until(lambda: traced.metric(SENT) >= len(questions), 30, "the spans of the searches")
            assert plain.metric(SENT) == 0
    assert len(off_times) == len(full_times) == len(questions)
    report_searches([0.010] * 9, [0.011] * 9, replace(whole, off=Cost(1, 1), full=Cost(1, 1.5)))
    printed = capsys.readouterr().out
    assert "median of the pairs +10.0% (95 %: +10.0% to +10.0%); CPU +50.0%" in printed


def test_a_scrape_that_is_not_answered_in_openmetrics_is_told() -> None:
    class PlainText(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), PlainText) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            with (
                pytest.raises(SystemExit, match=r"1 scrapes failed: .*text/plain"),
                scraped(server.server_port),
            ):
                pass
        finally:
            server.shutdown()
            thread.join()
