"""``python -m bench.rerankers``: what a question waits for a cross-encoder that reads its best passages.

Without ``--model`` a stand-in is measured: the transformer of all-MiniLM-L6-v2 (int8, bundled) under one
linear layer. It takes the time of a cross-encoder with the same layers, such as those of the
ms-marco-MiniLM-L6 family; its scores mean nothing.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from bench.quality.squad import load
from bench.statistics import percentile
from shared.embedder.bundled import BUNDLED_MODEL
from shared.embedder.onnx_files import locate_onnx_files
from shared.reranker.factory import build_reranker
from shared.settings import RerankerSettings

PASSAGE_CHARACTERS = 1_200
PASSAGES = (5, 10, 20, 50)


def save_stand_in(folder: Path) -> Path:
    folder.mkdir()
    files = locate_onnx_files(BUNDLED_MODEL)
    model = onnx.load(files.export.model)
    graph = model.graph
    width = graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    weights = np.random.default_rng(1).normal(size=(width, 1)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, "head"))
    graph.initializer.append(numpy_helper.from_array(np.array(0, dtype=np.int64), "first"))
    graph.node.append(helper.make_node("Gather", [graph.output[0].name, "first"], ["cls"], axis=1))
    graph.node.append(helper.make_node("MatMul", ["cls", "head"], ["logits"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1]))
    onnx.save(model, folder / "model.onnx")
    shutil.copy(files.export.tokenizer, folder / "tokenizer.json")
    return folder


def measure(model: str, threads: int | None, rounds: int) -> None:
    content = load()
    texts = [f"{one.title}\n{one.text[:PASSAGE_CHARACTERS]}" for one in content.paragraphs]
    rng = random.Random(1)
    before = psutil.Process().memory_info().rss
    reranker = build_reranker(RerankerSettings(RERANKER="cross-encoder", model=model, threads=threads))  # type: ignore[call-arg]
    assert reranker is not None
    reranker.scores("ready?", texts[:50])
    megabytes = (psutil.Process().memory_info().rss - before) / 2**20
    words = np.mean([len(text.split()) for text in texts])
    print(f"{reranker.name}, {threads or 'all'} threads, {megabytes:.0f} MiB, {words:.0f} words a passage\n")
    print("| passages | p50 ms | p95 ms | of the processor, ms |\n|---|---|---|---|")
    for count in PASSAGES:
        times, busy = [], time.process_time()
        for _ in range(rounds):
            question, chosen = rng.choice(content.questions).text, rng.sample(texts, count)
            start = time.perf_counter()
            reranker.scores(question, chosen)
            times.append(1000 * (time.perf_counter() - start))
        busy = 1000 * (time.process_time() - busy) / rounds
        p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
        print(f"| {count} | {p50:.0f} | {p95:.0f} | {busy:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="as RERANKER_MODEL")
    parser.add_argument("--threads", type=int, help="as RERANKER_THREADS")
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        model = arguments.model or str(save_stand_in(Path(folder) / "stand-in"))
        measure(model, arguments.threads, arguments.rounds)


if __name__ == "__main__":
    main()
