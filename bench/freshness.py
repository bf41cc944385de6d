"""``python -m bench.freshness``: how soon after an event left its source do search and answers show it?

Starts a stack of its own with the demo wiki, sends one story update at a time, and polls. For each
update: the time from the event's timestamp at the replay server until ``/v1/search`` returns the new
revision, and until ``/v1/ask`` gives the new value. Then pages are deleted, hidden, turned into redirects
and renamed: the time until the old title is in no hit, and until the answer is right again. All times
include the request itself. The stack first works off the pages that exist at the start.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.stack import RunningStack, started_stack
from bench.statistics import spread
from services.replay.story import Story, StoryStep, stories
from services.replay.wiki import ChangeKind

_GIVE_UP = 30.0
_POLL = 0.01


def updates(published: dict[str, int]) -> Iterator[tuple[Story, int]]:
    """Every next edit that changes an answer, one story after the other, round by round."""
    rounds = max(len(story.steps) for story in stories())
    for ahead in range(1, rounds):
        for story in stories():
            number = published.get(story.story_id, 0) + ahead
            if number > len(story.steps):
                continue
            step = story.steps[number - 1]
            if step.answer is not None and step.op in (ChangeKind.EDIT, ChangeKind.CREATE):
                yield story, number


def measure(stack: RunningStack, count: int) -> tuple[list[float], list[float], list[str]]:
    """Seconds until found, seconds until answered, and the updates that never were."""
    found: list[float] = []
    answered: list[float] = []
    failed: list[str] = []
    published: dict[str, int] = stack.replay.get("/replay/status").json()["story_steps"]
    for (story, number), _ in zip(updates(published), range(count), strict=False):
        sent = stack.publish(story.story_id, number)
        seconds = _until(sent["sent_at_ms"], _revision_is_found(stack, story, sent["rev_id"]))
        if seconds is None:
            failed.append(f"{story.story_id} step {number}: revision {sent['rev_id']} never found")
            continue
        found.append(seconds)
        seconds = _until(sent["sent_at_ms"], _answer_is_right(stack, story, number))
        if seconds is None:
            failed.append(f"{story.story_id} step {number}: {stack.ask(story.question)['answer']!r}")
            continue
        answered.append(seconds)
        print(f"{story.story_id:24} step {number}  {found[-1]:7.3f} {answered[-1]:7.3f}", flush=True)
    return found, answered, failed


def measure_removals(stack: RunningStack) -> tuple[list[float], list[float], list[str]]:
    """Seconds until no hit has the page's old title, until the answer fits, and what never happened."""
    gone: list[float] = []
    answered: list[float] = []
    failed: list[str] = []
    published: dict[str, int] = stack.replay.get("/replay/status").json()["story_steps"]
    for story in stories():
        if not any(_takes_away(step) for step in story.steps):
            continue
        for step in story.steps[published.get(story.story_id, 0) :]:
            sent = stack.publish(story.story_id, step.number)
            if not _takes_away(step):
                _until(sent["sent_at_ms"], _answer_is_right(stack, story, step.number))
                continue
            for times, holds in (
                (gone, _title_is_gone(stack, story, step.title)),
                (answered, _answer_is_right(stack, story, step.number)),
            ):
                seconds = _until(sent["sent_at_ms"], holds)
                if seconds is None:
                    failed.append(f"{story.story_id} step {step.number} ({step.op})")
                else:
                    times.append(seconds)
    return gone, answered, failed


def _takes_away(step: StoryStep) -> bool:
    """The page is no longer to be found under its title."""
    return step.answer is None or step.moved_to is not None


def _title_is_gone(stack: RunningStack, story: Story, title: str) -> Callable[[], bool]:
    def check() -> bool:
        return all(hit["title"] != title for hit in stack.search(story.question, top_k=20))

    return check


def wait_until_idle(stack: RunningStack) -> None:
    """Every page that existed at the start is indexed."""
    published = stack.replay.get("/replay/status").json()["published"]
    while stack.metric("producer", "rag_source_events_total") < published or stack.metric(
        "processor", "messaging_client_consumed_messages_total"
    ) < stack.metric("producer", "messaging_client_sent_messages_total"):
        time.sleep(0.2)


def _until(sent_at_ms: int, holds: Callable[[], bool]) -> float | None:
    while not holds():
        if time.time() - sent_at_ms / 1000 > _GIVE_UP:
            return None
        time.sleep(_POLL)
    return time.time() - sent_at_ms / 1000


def _revision_is_found(stack: RunningStack, story: Story, revision: int) -> Callable[[], bool]:
    def check() -> bool:
        return any(hit["revision"] == revision for hit in stack.search(story.question))

    return check


def _answer_is_right(stack: RunningStack, story: Story, number: int) -> Callable[[], bool]:
    expected = story.expected_answer(number)

    def check() -> bool:
        answer = stack.ask(story.question)
        if expected is None:
            return bool(answer["outcome"] == "no_context")
        return any(value.lower() in answer["answer"].lower() for value in expected)

    return check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--updates", type=int, default=50, help="story updates to send (default 50)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        started_stack(Path(folder), REPLAY_PAUSED="true") as stack,
    ):
        wait_until_idle(stack)
        found, answered, failed = measure(stack, arguments.updates)
        gone, right_again, never = measure_removals(stack)
    print(f"event sent -> found by /v1/search   {spread(found, 's')}")
    print(f"event sent -> answered by /v1/ask   {spread(answered, 's')}")
    print(f"page taken away    -> in no hit             {spread(gone, 's')}")
    print(f"page taken away    -> answer right again    {spread(right_again, 's')}")
    for line in failed + never:
        print(f"FAILED {line}")
    raise SystemExit(1 if failed or never else 0)


if __name__ == "__main__":
    main()
