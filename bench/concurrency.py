"""``python -m bench.concurrency``: many searches at once against the bare encoder, and what an answer costs
besides its models.

Fills a store with real edits' embeddings and the SQuAD paragraphs, starts an API process on it, and takes
turns, round by round, on the same questions: once embedded by the encoder alone in this process, in one call,
and once sent to ``/v1/search`` by 32 clients, which share the cores with the API. The ratio of each round is
what counts; the processor time of each side shows where the rest goes. Then questions one by one to
``/v1/ask``: everything that ``timings_ms`` holds but embedding and generation.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench.api import Api, Clients, client_process, started_api
from bench.embeddings import load_corpus
from bench.quality.squad import Paragraph, load, sample
from bench.statistics import percentile
from bench.stores import NEWEST, StorePlace, documents_of, embedded_document, fill, store_place
from shared.embedder.factory import build_embedder
from shared.ports import EmbeddedDocument, Embedder
from shared.settings import EmbedderSettings, VectorStoreSettings

CLIENTS = 32
_WARM_UP = 200
_TURN = 128
_MODELS = ("embed", "generate")


@dataclass(frozen=True, slots=True)
class Round:
    """Questions a second, and milliseconds of processor time for each, of the encoder alone, of the API
    and of its clients. ``latencies`` in seconds; ``batch``: texts in a call of the API's model, on
    average."""

    encoder: float
    api: float
    encoder_cpu: float
    api_cpu: float
    client_cpu: float
    latencies: list[float]
    batch: float

    @property
    def ratio(self) -> float:
        return self.api / self.encoder


def measure_searches(
    api: Api, clients: Clients, embedder: Embedder, questions: list[str], rounds: int
) -> list[Round]:
    """The questions are split over the rounds, so that no cache can have seen one."""
    _search(api, clients, questions[:_WARM_UP])
    embedder.embed(questions[:_WARM_UP])
    share = len(questions) // rounds
    print(
        "round  encoder/s  API/s  ratio  CPU ms/question: encoder  API  clients  texts/call  p50 ms  p95 ms"
    )
    measured = []
    for number in range(rounds):
        measured.append(_round(api, clients, embedder, questions[number * share : (number + 1) * share]))
        one = measured[-1]
        p50, p95 = (1000 * percentile(one.latencies, part) for part in (0.5, 0.95))
        print(
            f"{number + 1:5}  {one.encoder:9.0f}  {one.api:5.0f}  {one.ratio:5.2f}"
            f"  {one.encoder_cpu:24.2f}  {one.api_cpu:3.2f}  {one.client_cpu:7.2f}"
            f"  {one.batch:10.1f}  {p50:6.1f}  {p95:6.1f}",
            flush=True,
        )
    return measured


def _round(api: Api, clients: Clients, embedder: Embedder, questions: list[str]) -> Round:
    """In turns of a few questions each, because absolute speed drifts on shared machines."""
    seconds = {"encoder": 0.0, "api": 0.0}
    cpu = {"encoder": 0.0, "api": 0.0, "clients": 0.0}
    latencies: list[float] = []
    calls, texts = _batches(api)
    for start in range(0, len(questions), _TURN):
        turn = questions[start : start + _TURN]
        begun, own = time.perf_counter(), time.process_time()
        embedder.embed(turn)
        seconds["encoder"] += time.perf_counter() - begun
        cpu["encoder"] += time.process_time() - own
        before = api.cpu_seconds()
        load = _search(api, clients, turn)
        seconds["api"] += load.seconds
        cpu["api"] += api.cpu_seconds() - before
        cpu["clients"] += load.cpu_seconds
        latencies += load.each
    more_calls, more_texts = _batches(api)
    milliseconds = {name: 1000 * value / len(questions) for name, value in cpu.items()}
    return Round(
        encoder=len(questions) / seconds["encoder"],
        api=len(questions) / seconds["api"],
        encoder_cpu=milliseconds["encoder"],
        api_cpu=milliseconds["api"],
        client_cpu=milliseconds["clients"],
        latencies=latencies,
        batch=(more_texts - texts) / max(1.0, more_calls - calls),
    )


def _batches(api: Api) -> tuple[float, float]:
    return api.metric("rag_embedding_batch_size_count"), api.metric("rag_embedding_batch_size_sum")


def _search(api: Api, clients: Clients, questions: list[str]):  # type: ignore[no-untyped-def]
    bodies = [{"question": question, "top_k": 5} for question in questions]
    return clients.send(api.port, "/v1/search", bodies, CLIENTS)


def measure_answers(api: Api, questions: list[str]) -> dict[str, list[float]]:
    """Milliseconds by stage, one question after the other, of those that were answered; ``overhead`` is
    what is neither embedding nor generation."""
    stages: dict[str, list[float]] = {}
    for question in questions:
        answer = api.post("/v1/ask", {"question": question})
        if answer["outcome"] != "answered":
            continue
        timings: dict[str, float] = answer["timings_ms"]
        overhead = timings["total"] - sum(timings.get(name, 0.0) for name in _MODELS)
        for name, value in {**timings, "overhead": overhead}.items():
            stages.setdefault(name, []).append(value)
    return stages


def filled(place: StorePlace, chunks: int, embedder: Embedder, paragraphs: tuple[Paragraph, ...]) -> int:
    """``chunks`` of real edits and the paragraphs, one chunk each; how many chunks these are together."""
    corpus = load_corpus(chunks, embedder, VectorStoreSettings().data_dir / "bench")
    documents = documents_of(corpus) + _embedded(paragraphs, embedder)
    with contextlib.closing(place.open()) as store:
        fill(store, documents, f"filling {place.settings.vector_store}")
        return store.stats().chunks


def _embedded(paragraphs: tuple[Paragraph, ...], embedder: Embedder) -> list[EmbeddedDocument]:
    embeddings = embedder.embed([f"{item.title}\n{item.text}" for item in paragraphs])
    return [
        _titled(
            embedded_document(
                item.document_id,
                [item.text],
                embeddings[number : number + 1],
                updated_at=NEWEST - timedelta(minutes=number),
                wiki="enwiki",
            ),
            item.title,
        )
        for number, item in enumerate(paragraphs)
    ]


def _titled(item: EmbeddedDocument, title: str) -> EmbeddedDocument:
    return replace(item, document=replace(item.document, title=title))


def _report(rounds: list[Round], stages: dict[str, list[float]], api: Api) -> None:
    ratios = [one.ratio for one in rounds]
    if ratios:
        print(
            f"{CLIENTS} concurrent searches / encoder: median {median(ratios):.2f}, "
            f"{min(ratios):.2f} to {max(ratios):.2f}"
        )
    if stages:
        print(f"answers ({len(stages['total'])}), ms:  p50  p95")
        for name, values in stages.items():
            print(f"  {name:10} {percentile(values, 0.5):8.1f} {percentile(values, 0.95):8.1f}")
    print(f"API's resident memory {api.megabytes():.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss")
    parser.add_argument("--chunks", type=int, default=100_000, help="of edits (default 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="of searches (default 5; 0: none)")
    parser.add_argument("--questions", type=int, default=640, help="in each round (default 640)")
    parser.add_argument("--answers", type=int, default=100, help="questions to /v1/ask (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    squad = load()
    count = max(arguments.rounds * arguments.questions, arguments.answers)
    questions = [question.text for question in sample(squad.answerable, count, arguments.seed)]
    embedder = build_embedder(EmbedderSettings())
    with (
        tempfile.TemporaryDirectory() as name,
        store_place(arguments.store, embedder.dimension, Path(name)) as bare_place,
    ):
        place = replace(bare_place, embedder_name=embedder.name)
        chunks = filled(place, arguments.chunks, embedder, squad.paragraphs)
        with started_api(place, Path(name)) as api, client_process() as clients:
            print(f"{chunks} chunks in {arguments.store}, {CLIENTS} clients, seed {arguments.seed}")
            rounds = (
                measure_searches(api, clients, embedder, questions, arguments.rounds)
                if arguments.rounds
                else []
            )
            stages = measure_answers(api, questions[: arguments.answers]) if arguments.answers else {}
            _report(rounds, stages, api)


if __name__ == "__main__":
    main()
