"""``python -m bench.quality --answers 500``: are the right paragraphs found, and can the answers be trusted?

Starts a stack of its own, pushes every paragraph of the question set as a document, and asks: all answerable
questions by ``/v1/search``, and so many answerable and unanswerable ones by ``/v1/ask``, with the language
model that is set. Prints tables and writes a picture. With ``--floors`` it exits 1 where a figure is worse
than ``bench/quality/floors.py`` allows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.quality.answers import CLIENTS, answer_figures, answers_table, ask_all, unfounded
from bench.quality.corpus import indexed_stack
from bench.quality.floors import answer_faults, ranking_faults
from bench.quality.picture import drawing
from bench.quality.retrieval import retrieval_table, retrieve
from bench.quality.squad import DEFAULT_FILE, Question, QuestionSet, held_out, load, sample
from bench.stack import RunningStack
from bench.statistics import spread


def measure_retrieval(stack: RunningStack, content: QuestionSet, store: str) -> list[str]:
    """Prints; returns what is worse than its floor."""
    found = retrieve(stack, content.answerable)
    print(retrieval_table({store: found.figures}))
    print(f"/v1/search, {CLIENTS} clients: {spread(found.seconds, 's')}\n")
    return list(ranking_faults(found.figures))


def measure_answers(
    stack: RunningStack, content: QuestionSet, count: int, seed: int, picture: Path | None
) -> list[str]:
    """Prints; returns what is worse than its floor."""
    questions = sample(content.answerable, count, seed) + sample(content.unanswerable, count, seed)
    asked = ask_all(stack, questions)
    figures = answer_figures(asked, content.paragraphs)
    print(answers_table(figures))
    print(f"/v1/ask, {CLIENTS} clients: {spread([item.seconds for item in asked], 's')}")
    passages = {item.document_id: f"{item.title} {item.text}" for item in content.paragraphs}
    for line in unfounded(asked, passages):
        print(f"UNFOUNDED {line}")
    if picture is not None:
        picture.write_text(drawing(figures), "utf-8")
    return list(answer_faults(figures))


def measure_strangers(stack: RunningStack, questions: Sequence[Question]) -> None:
    """Prints how many questions about articles that are not indexed are answered all the same."""
    asked = ask_all(stack, questions)
    answered = [item for item in asked if item.answered]
    print(f"answered though their article is not indexed: {len(answered)} of {len(asked)}")
    for item in answered[:5]:
        print(f"  {item.question.text!r} -> {item.answer['answer']!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--answers", type=int, default=500, help="questions of each kind; 0: only retrieval")
    parser.add_argument("--no-retrieval", action="store_true", help="only the answers")
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss")
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE, help="questions in SQuAD 2.0's format")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of questions")
    parser.add_argument("--picture", type=Path, help="write an SVG here")
    parser.add_argument("--floors", action="store_true", help="exit 1 if a figure is worse than it may be")
    parser.add_argument(
        "--hold-out", type=int, metavar="N", help="only this: leave N articles out, and ask about those"
    )
    arguments = parser.parse_args()
    content = load(arguments.file)
    faults: list[str] = []
    if arguments.hold_out:
        kept, strangers = held_out(content, arguments.hold_out, arguments.seed)
        with indexed_stack(kept.paragraphs, arguments.store) as stack:
            measure_strangers(stack, sample(strangers, arguments.answers, arguments.seed))
        return
    with indexed_stack(content.paragraphs, arguments.store) as stack:
        if not arguments.no_retrieval:
            faults += measure_retrieval(stack, content, arguments.store)
        if arguments.answers:
            faults += measure_answers(stack, content, arguments.answers, arguments.seed, arguments.picture)
    for fault in faults:
        print(f"WORSE {fault}")
    raise SystemExit(1 if faults and arguments.floors else 0)


if __name__ == "__main__":
    main()
