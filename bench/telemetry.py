"""``python -m bench.telemetry``: what full telemetry costs the processor's throughput and a search's latency.

Two processes of each service run side by side. One is without telemetry: no receiver of spans, and nobody
scrapes its metrics, which it keeps all the same. The other sends every span over OTLP to a local process
that takes and drops them, and is scraped in OpenMetrics, with exemplars, as often as prometheus.yml says.
They take turns in one run, as in ABBA, because absolute times drift on shared machines: round by round of a
backlog in Kafka, and question by question of one client. The processor time of a document and of a question
is what noise disturbs least.
``--control`` runs both sides without telemetry: that much is noise.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

from bench.api import Api, exchange, started_api
from bench.concurrency import filled
from bench.quality.squad import load, sample
from bench.statistics import median_interval, percentile
from bench.stores import StorePlace, store_place
from bench.telemetry_sides import (
    WITHOUT_TELEMETRY,
    full_telemetry,
    scraped,
    span_receiver,
    traced_record,
    untraced_record,
)
from bench.throughput import Processor, started_processor, texts, upserts
from shared.embedder.factory import build_embedder
from shared.settings import EmbedderSettings

SETTLE_SECONDS = 5.5
"""Longer than spans wait for company (``OTEL_BSP_SCHEDULE_DELAY``), so that a turn pays for its own."""

_WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one turn: seconds until it was done, and of processor time."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work on both sides."""

    off: Cost
    full: Cost


def in_turns(number: int, off: Callable[[], Cost], full: Callable[[], Cost]) -> Pair:
    """Off first in even numbers, last in odd ones."""
    if number % 2:
        second = full()
        return Pair(off(), second)
    return Pair(off(), full())


def measure_processor(
    off: Processor, full: Processor, documents: int, rounds: int, seed: int, settle: float = SETTLE_SECONDS
) -> list[Pair]:
    """One pair a round. What the processors do in ``settle`` seconds afterwards counts as processor time."""
    for processor in (off, full):
        processor.index(upserts(texts(seed, 50, 60), "warm-up"))
    print(f"{documents} documents a round, seed {seed}")
    print("round  documents/s: off  full  ratio  CPU ms/document: off  full  ratio")
    pairs = []
    for number in range(rounds):
        batch = texts(seed + 1 + number, documents, 60)
        name = f"round-{number}"
        pair = in_turns(
            number,
            partial(_index, off, batch, name, settle, contextlib.nullcontext()),
            partial(_index, full, batch, name, settle, scraped(full.port)),
        )
        pairs.append(pair)
        rates = [documents / cost.seconds for cost in (pair.off, pair.full)]
        cpu = [1000 * cost.cpu_seconds / documents for cost in (pair.off, pair.full)]
        print(
            f"{number + 1:5}  {rates[0]:16.1f}  {rates[1]:4.1f}  {rates[1] / rates[0]:5.3f}"
            f"  {cpu[0]:20.2f}  {cpu[1]:4.2f}  {cpu[1] / cpu[0]:5.3f}",
            flush=True,
        )
    return pairs


def _index(
    processor: Processor,
    batch: list[str],
    name: str,
    settle: float,
    meanwhile: contextlib.AbstractContextManager[None],
) -> Cost:
    with meanwhile:
        cpu = processor.cpu_seconds()
        seconds = processor.index(upserts(batch, name))
        time.sleep(settle)
        return Cost(seconds, processor.cpu_seconds() - cpu)


def measure_searches(
    off: Api, full: Api, questions: Sequence[str], settle: float = SETTLE_SECONDS
) -> tuple[list[float], list[float], Pair]:
    """Seconds of each question on either side, and the cost of all."""
    with contextlib.ExitStack() as stack:
        ask_off, ask_full = (stack.enter_context(_asking(api)) for api in (off, full))
        for question in questions[:_WARM_UP]:
            ask_off(f"{question} (warm-up)")
            ask_full(f"{question} (warm-up)")
        before = [api.cpu_seconds() for api in (off, full)]
        with scraped(full.port):
            pairs = [
                in_turns(number, partial(ask_off, each), partial(ask_full, each))
                for number, each in enumerate(questions)
            ]
            time.sleep(settle)
        cpu = [api.cpu_seconds() - earlier for api, earlier in zip((off, full), before, strict=True)]
    times = [pair.off.seconds for pair in pairs], [pair.full.seconds for pair in pairs]
    return *times, Pair(Cost(sum(times[0]), cpu[0]), Cost(sum(times[1]), cpu[1]))


@contextlib.contextmanager
def _asking(api: Api) -> Iterator[Callable[[str], Cost]]:
    """Over one connection. The API's processor time is too coarse for one question, and is left at 0."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)) as connection:

        def ask(question: str) -> Cost:
            body = json.dumps({"question": question, "top_k": 5}).encode()
            begun = time.perf_counter()
            exchange(connection, "/v1/search", body)
            return Cost(time.perf_counter() - begun, 0.0)

        yield ask


def report_processor(pairs: Sequence[Pair]) -> None:
    for what, ratios in (
        ("documents/s", [pair.off.seconds / pair.full.seconds for pair in pairs]),
        ("CPU of a document", [pair.full.cpu_seconds / pair.off.cpu_seconds for pair in pairs]),
    ):
        print(f"{what}, full/off: median {median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


def report_searches(off: Sequence[float], full: Sequence[float], whole: Pair) -> None:
    print(f"searches ({len(off)} on either side), ms:  p50  p95  CPU")
    for name, times, cost in (("off", off, whole.off), ("full", full, whole.full)):
        p50, p95 = (1000 * percentile(times, share) for share in (0.5, 0.95))
        print(f"  {name:4} {p50:.2f}  {p95:.2f}  {1000 * cost.cpu_seconds / len(times):.2f}")
    usual = median(off)
    differences = [(second - first) / usual for first, second in zip(off, full, strict=True)]
    low, high = median_interval(differences)
    print(
        f"full - off, as a share of the median without: median of the pairs {median(differences):+.1%}"
        f" (95 %: {low:+.1%} to {high:+.1%}); CPU {whole.full.cpu_seconds / whole.off.cpu_seconds - 1:+.1%}"
    )


def _report_process(name: str, process: Processor | Api) -> None:
    exported, dropped = (process.metric(f"rag_trace_spans_{fate}_total") for fate in ("exported", "dropped"))
    print(
        f"{name}: {process.megabytes():.0f} MiB resident, spans: {exported:.0f} sent, {dropped:.0f} dropped"
    )


def _compare_processors(other: dict[str, str], arguments: argparse.Namespace) -> None:
    record = untraced_record if arguments.control else traced_record
    with (
        started_processor(untraced_record, **WITHOUT_TELEMETRY) as off,
        started_processor(record, **other) as full,
    ):
        report_processor(measure_processor(off, full, arguments.documents, arguments.rounds, arguments.seed))
        _report_process("processor, off", off)
        _report_process("processor, full", full)


def _compare_apis(other: dict[str, str], arguments: argparse.Namespace) -> None:
    squad = load()
    questions = [item.text for item in sample(squad.questions, arguments.questions, arguments.seed)]
    embedder = build_embedder(EmbedderSettings())
    with (
        tempfile.TemporaryDirectory() as name,
        store_place(arguments.store, embedder.dimension, Path(name)) as bare_place,
    ):
        place = replace(bare_place, embedder_name=embedder.name)
        chunks = filled(place, arguments.chunks, embedder, squad.paragraphs)
        with started_apis(place, Path(name), other) as (off, full):
            print(f"{chunks} chunks in {arguments.store}, seed {arguments.seed}")
            report_searches(*measure_searches(off, full, questions))
            _report_process("API, off", off)
            _report_process("API, full", full)


@contextlib.contextmanager
def started_apis(place: StorePlace, folder: Path, other: dict[str, str]) -> Iterator[tuple[Api, Api]]:
    """Two on the same store: without telemetry, and with the settings ``other``."""
    folders = folder / "off", folder / "full"
    for each in folders:
        each.mkdir()
    with (
        started_api(place, folders[0], **WITHOUT_TELEMETRY) as off,
        started_api(place, folders[1], **other) as full,
    ):
        yield off, full


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="of the processor (default 8; 0: none)")
    parser.add_argument("--documents", type=int, default=1000, help="in each round (default 1000)")
    parser.add_argument("--questions", type=int, default=1000, help="to either API (default 1000; 0: none)")
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss", help="of the searches")
    parser.add_argument("--chunks", type=int, default=20_000, help="of edits in it (default 20000)")
    parser.add_argument("--control", action="store_true", help="both sides without telemetry")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with span_receiver() as receiver:
        other = WITHOUT_TELEMETRY if arguments.control else full_telemetry(receiver)
        if arguments.questions:
            _compare_apis(other, arguments)
        if arguments.rounds:
            _compare_processors(other, arguments)


if __name__ == "__main__":
    main()
