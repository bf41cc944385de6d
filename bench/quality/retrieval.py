"""``python -m bench.quality.retrieval --store faiss|redis``: does ``/v1/search`` find the right paragraph?

Starts a stack of its own, pushes every paragraph as a document, and asks every answerable question. A hit
counts by its document: the rank is that of the first hit from the paragraph that the question was asked
about, among different documents.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from bench.quality.corpus import indexed_stack
from bench.quality.ranking import DEPTH, RankingFigures, rank_of, ranking_figures
from bench.quality.squad import DEFAULT_FILE, Question, load, sample
from bench.stack import RunningStack
from bench.statistics import spread

CLIENTS = 2


@dataclass(frozen=True, slots=True)
class Retrieved:
    """``seconds``: each request's time, HTTP included, in the order of the questions."""

    ranks: list[int | None]
    seconds: list[float]

    @property
    def figures(self) -> RankingFigures:
        return ranking_figures(self.ranks)


def retrieve(stack: RunningStack, questions: Sequence[Question]) -> Retrieved:
    """One request for each question, ``CLIENTS`` at a time."""

    def rank(question: Question) -> tuple[int | None, float]:
        begun = time.perf_counter()
        hits = stack.search(question.text, top_k=DEPTH)
        seconds = time.perf_counter() - begun
        return rank_of(question.document_id, (hit["document_id"] for hit in hits)), seconds

    with ThreadPoolExecutor(CLIENTS) as clients:
        results = list(
            tqdm(clients.map(rank, questions), desc="searches", unit="question", total=len(questions))
        )
    return Retrieved([found for found, _ in results], [seconds for _, seconds in results])


def retrieval_table(rows: dict[str, RankingFigures]) -> str:
    """Markdown; one row for each store."""
    depths = (1, 3, 5, DEPTH)
    heads = [*(f"recall@{depth}" for depth in depths), f"MRR@{DEPTH}", f"nDCG@{DEPTH}"]
    lines = ["| Store | questions | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for store, row in rows.items():
        values = [*(row.recall[depth] for depth in depths), row.mrr, row.ndcg]
        lines.append(f"| {store} | {row.questions} | " + " | ".join(f"{v:.4f}" for v in values) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss")
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE, help="questions in SQuAD 2.0's format")
    parser.add_argument("--questions", type=int, default=1_000_000, help="at most so many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of questions")
    arguments = parser.parse_args()
    content = load(arguments.file)
    with indexed_stack(content.paragraphs, arguments.store, LLM="extractive") as stack:
        found = retrieve(stack, sample(content.answerable, arguments.questions, arguments.seed))
    print(retrieval_table({arguments.store: found.figures}))
    print(f"/v1/search, {CLIENTS} clients: {spread(found.seconds, 's')}")


if __name__ == "__main__":
    main()
