"""``python -m bench.quality.staleness --updates 200``: is anything said that is no longer so?

Starts a stack of its own with the demo wiki, and sends one story update at a time. Every question is kept
asked, so that its answer is kept by the API. For each update: the time until ``/v1/search`` has the new
revision; from then on every answer to that question, and to five other questions, is held against the
documents as ``GET /v1/documents`` had them *before* the question: a citation of an older revision, or of a
document that is gone, is stale. Kept answers are timed as the client sees them.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.freshness import updates, wait_until_idle
from bench.stack import RunningStack, started_stack
from bench.statistics import spread
from services.replay.story import Story

_GIVE_UP = 30.0
_OTHERS = 5


@dataclass(slots=True)
class Staleness:
    """Times in seconds. ``stale``: one line for each stale citation; ``answers``: how many were looked at."""

    found: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    answers: int = 0
    stale: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def measure(stack: RunningStack, count: int, rng: random.Random) -> Staleness:
    result = Staleness()
    published: dict[str, int] = stack.replay.get("/replay/status").json()["story_steps"]
    known = [story for story in _told(updates(published)) if published.get(story.story_id)]
    seen: dict[str, str] = {}
    planned = list(zip(updates(published), range(count), strict=False))
    for (story, number), _ in tqdm(planned, desc="updates", unit="update"):
        for one in (story, *rng.sample(known, min(_OTHERS, len(known)))):
            _ask(stack, one, seen, result)
        sent = stack.publish(story.story_id, number)
        if not _until_found(stack, story, sent, result):
            continue
        _until_right(stack, story, number, sent["sent_at_ms"] / 1000, seen, result)
        for one in rng.sample(known, min(_OTHERS, len(known))):
            _ask(stack, one, seen, result)
    return result


def _told(steps: Iterator[tuple[Story, int]]) -> list[Story]:
    return list({story.story_id: story for story, _ in steps}.values())


def _until_found(stack: RunningStack, story: Story, sent: Mapping[str, Any], result: Staleness) -> bool:
    sent_at = sent["sent_at_ms"] / 1000
    while not any(hit["revision"] == sent["rev_id"] for hit in stack.search(story.question)):
        if time.time() - sent_at > _GIVE_UP:
            result.failed.append(f"{story.story_id}: revision {sent['rev_id']} never found")
            return False
        time.sleep(0.01)
    result.found.append(time.time() - sent_at)
    return True


def _until_right(
    stack: RunningStack, story: Story, number: int, sent_at: float, seen: dict[str, str], result: Staleness
) -> None:
    expected = story.expected_answer(number) or ()
    while True:
        answer = _ask(stack, story, seen, result)
        if any(value.lower() in answer["answer"].lower() for value in expected):
            result.right.append(time.time() - sent_at)
            return
        if time.time() - sent_at > _GIVE_UP:
            result.failed.append(f"{story.story_id} step {number}: {answer['answer']!r}")
            return
        time.sleep(0.01)


def _ask(stack: RunningStack, story: Story, seen: dict[str, str], result: Staleness) -> dict[str, Any]:
    """``seen``: the document that answered this story last; it is looked up before the question."""
    document_id = seen.get(story.story_id)
    before = stack.revision(document_id) if document_id else None
    begun = time.perf_counter()
    answer = stack.ask(story.question)
    if answer["cached"]:
        result.kept.append(time.perf_counter() - begun)
    result.answers += 1
    for citation in answer["citations"]:
        if citation["document_id"] == document_id and (before is None or citation["revision"] < before):
            result.stale.append(f"{story.question}: revision {citation['revision']}, the store had {before}")
    if answer["citations"]:
        seen[story.story_id] = answer["citations"][0]["document_id"]
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--updates", type=int, default=200, help="story updates to send (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the other questions that are asked")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        started_stack(Path(folder), REPLAY_PAUSED="true") as stack,
    ):
        wait_until_idle(stack)
        result = measure(stack, arguments.updates, random.Random(arguments.seed))
        lookups = {
            outcome: stack.metric("api", f'rag_cache_requests_total{{result="{outcome}"}}')
            for outcome in ("hit", "miss", "invalidated")
        }
    print(f"event sent -> found by /v1/search      {spread(result.found, 's')}")
    print(f"event sent -> /v1/ask has the new value {spread(result.right, 's')}")
    print(f"kept answers                            {spread(result.kept, 's')}")
    print(f"cache: {', '.join(f'{name} {count:.0f}' for name, count in lookups.items())}")
    print(f"stale: {len(result.stale)} of {result.answers} answers")
    for line in result.stale + result.failed:
        print(f"FAILED {line}")
    raise SystemExit(1 if result.stale or result.failed else 0)


if __name__ == "__main__":
    main()
