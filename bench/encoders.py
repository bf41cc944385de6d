"""``python -m bench.encoders``: the embedding backends side by side: speed, memory, and what they retrieve.

Each backend is loaded in a process of its own, with the cores to itself while it works; they take turns on
the same texts, round by round. Prints the tables of docs/embedders.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.real_edits import EDITS
from bench.stack import ROOT
from bench.throughput import texts as sentences
from deploy.local.configuration import LOCAL_DEFAULTS
from shared.embedder.factory import build_embedder
from shared.settings import EmbedderSettings

BACKENDS = ("torch", "onnx", "openvino")
BASE = "torch"
SQUAD = ROOT.parent / "shared" / "data" / "squad2-dev.json.gz"
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """``megabytes``: resident memory that the model and its libraries add to a bare Python."""

    connection: Connection
    seconds: float
    megabytes: float

    def times(self, texts: list[str], batch: int) -> list[float]:
        """Seconds of each call with ``batch`` texts."""
        times: list[float] = self._ask("times", texts, batch)
        return times

    def embeddings(self, texts: list[str], batch: int) -> Vectors:
        embeddings: Vectors = self._ask("embeddings", texts, batch)
        return embeddings

    def memory(self) -> float:
        megabytes: float = self._ask("memory", [], 1)
        return megabytes

    def _ask(self, what: str, texts: list[str], batch: int) -> Any:
        self.connection.send((what, texts, batch))
        return self.connection.recv()


def _serve(connection: Connection, backend: str) -> None:
    """The child process: load, then answer until the parent hangs up."""
    process = psutil.Process()
    before = process.memory_info().rss
    begun = time.perf_counter()
    embedder = build_embedder(EmbedderSettings.model_validate({"backend": backend}))
    embedder.embed(["A question?"])
    connection.send(time.perf_counter() - begun)
    while True:
        try:
            what, texts, batch = connection.recv()
        except EOFError:
            return
        calls = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        if what == "memory":
            connection.send((process.memory_info().rss - before) / 2**20)
        elif what == "times":
            connection.send([_timed(lambda call=call: embedder.embed(call)) for call in calls])
        else:
            connection.send(np.vstack([embedder.embed(call) for call in calls]))


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextmanager
def _loaded(backend: str) -> Iterator[Loaded]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, backend))
    process.start()
    theirs.close()
    try:
        seconds = ours.recv()
        ours.send(("memory", [], 1))
        yield Loaded(ours, seconds, ours.recv())
    finally:
        ours.close()
        process.join()


def _edits(count: int) -> list[str]:
    """Page and comment of real edits."""
    with gzip.open(EDITS, "rt", encoding="utf-8") as lines:
        edits = [json.loads(line) for line in islice(lines, count)]
    return [f"{edit['page']}\n{edit.get('comment') or ''}" for edit in edits]


def _squad() -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Paragraphs, answerable questions, and for each question the number of its paragraph."""
    paragraphs: list[str] = []
    questions: list[str] = []
    home: list[int] = []
    for article in json.loads(gzip.decompress(SQUAD.read_bytes()))["data"]:
        for paragraph in article["paragraphs"]:
            asked = [qa["question"] for qa in paragraph["qas"] if not qa.get("is_impossible")]
            questions += asked
            home += [len(paragraphs)] * len(asked)
            paragraphs.append(f"{article['title']}\n{paragraph['context']}")
    return paragraphs, questions, np.array(home)


def _table(head: list[str], rows: list[list[str]]) -> None:
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def speed(backends: dict[str, Loaded], kinds: dict[str, list[str]], rounds: int) -> None:
    rows = []
    for kind, texts in kinds.items():
        for batch in (1, 32):
            share = texts if batch > 1 else texts[: max(1, len(texts) // 4)]
            for loaded in backends.values():  # shapes that are new to it cost a first time
                loaded.times(share, batch)
            rates: dict[str, list[float]] = {name: [] for name in backends}
            for _ in range(rounds):
                for name, loaded in backends.items():
                    rates[name].append(len(share) / sum(loaded.times(share, batch)))
            for name in backends:
                ratios = [own / base for own, base in zip(rates[name], rates[BASE], strict=True)]
                spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                rows.append([kind, str(batch), name, f"{median(rates[name]):.0f}", spread])
    _table(["texts", "a call", "backend", "texts/s", f"ratio to {BASE}: median (least to most)"], rows)


def process(backends: dict[str, Loaded], queries: list[str]) -> None:
    rows = []
    for name, loaded in backends.items():
        times = sorted(loaded.times(queries, 1))
        p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
        sizes = [f"{megabytes:.0f} MiB" for megabytes in (loaded.megabytes, loaded.memory())]
        rows.append([name, f"{p50 * 1000:.1f} ms", f"{p95 * 1000:.1f} ms", f"{loaded.seconds:.1f} s", *sizes])
    _table(["backend", "one question p50", "p95", "load", "memory loaded", "memory after the run"], rows)


def faithfulness(backends: dict[str, Loaded], texts: list[str]) -> None:
    together = {name: loaded.embeddings(texts, 32) for name, loaded in backends.items()}
    rows = []
    for name, loaded in backends.items():
        cosines = np.sum(together[name] * together[BASE], axis=1)
        moved = 1 - np.sum(together[name] * loaded.embeddings(texts, 1), axis=1, dtype=np.float64)
        rows.append([name, f"{cosines.mean():.4f}", f"{cosines.min():.4f}", f"{max(0.0, moved.max()):.1e}"])
    _table(
        ["backend", f"cosine to {BASE}: mean", "least", "largest cosine distance, alone and among 31 others"],
        rows,
    )


def retrieval(backends: dict[str, Loaded], limit: int | None) -> None:
    paragraphs, questions, home = _squad()
    questions, home = questions[:limit], home[:limit]
    documents = {name: loaded.embeddings(paragraphs, 32) for name, loaded in backends.items()}
    queries = {name: loaded.embeddings(questions, 32) for name, loaded in backends.items()}
    pairs = [(name, name) for name in backends]
    pairs += [(BASE, name) for name in backends if name != BASE]
    pairs += [(name, BASE) for name in backends if name != BASE]
    rows = []
    for by, asked_by in pairs:
        scores = queries[asked_by] @ documents[by].T
        ranks = (scores > scores[np.arange(len(home)), home][:, None]).sum(axis=1)
        figures = [f"{(ranks < k).mean():.4f}" for k in (1, 5, 10)]
        rows.append([by, asked_by, *figures, f"{(1 / (ranks + 1)).mean():.4f}"])
    print(f"\n{len(paragraphs)} paragraphs, {len(questions)} questions")
    _table(["paragraphs by", "questions by", "recall@1", "recall@5", "recall@10", "MRR"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each comparison (default 7)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few texts: does it work?")
    arguments = parser.parse_args()
    rounds, scale = (2, 16) if arguments.quick else (arguments.rounds, 1)
    os.environ.update({name: value for name, value in LOCAL_DEFAULTS.items() if name not in os.environ})
    kinds = {
        "15 words": sentences(arguments.seed, 512 // scale, 15),
        "150 words": sentences(arguments.seed, 128 // min(scale, 4), 150),
    }
    if EDITS.is_file():
        kinds["real edits"] = _edits(512 // scale)
    else:
        print(f"skipped: real edits, because {EDITS.name} is absent")
    print(f"seed {arguments.seed}; {rounds} rounds; {os.cpu_count()} cores")
    with ExitStack() as stack:
        backends = {name: stack.enter_context(_loaded(name)) for name in BACKENDS}
        process(backends, sentences(arguments.seed + 1, 200 // scale, 12))
        speed(backends, kinds, rounds)
        faithfulness(backends, kinds.get("real edits", kinds["15 words"]))
        if SQUAD.is_file():
            retrieval(backends, 200 if arguments.quick else None)
        else:
            print(f"skipped: retrieval, because {SQUAD.name} is absent")


if __name__ == "__main__":
    main()
