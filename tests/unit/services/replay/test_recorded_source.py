"""Files: real events go out as they are; edits of 2015 become the events that the mapping promises."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE, EventLog
from services.replay.publisher import Publisher
from services.replay.recorded_edits import FIRST_PARENT, FIRST_REVISION
from services.replay.recorded_source import RecordedSource
from shared.errors import ConfigurationError

NOW = 1_790_000_000_123
NOW_TEXT = "2026-09-21T14:13:20.123Z"


def edit(page: str = "Page", channel: str = "#en.wikipedia", **fields: object) -> dict[str, object]:
    return {
        "time": "2015-09-12T00:46:58.771Z", "channel": channel, "comment": "why", "namespace": "Main",
        "page": page, "user": "Ann", "isRobot": False, "isMinor": False, "isNew": False, "delta": 5,
    } | fields  # fmt: skip


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def events(path: Path, **settings: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """One mapping stream → event for each line."""
    source = RecordedSource(path, **({"limit": None, "keep_times": False, "page_url": "http://r"} | settings))
    try:
        while (emissions := source.advance(NOW)) is not None:
            yield {emission.stream: emission.event for emission in emissions}
    finally:
        source.close()


def test_an_edit_becomes_an_event_on_each_stream(tmp_path: Path) -> None:
    lines = [edit("Talk:A b", namespace="Talk", isRobot=True, isMinor=True)]
    (sent,) = events(write(tmp_path / "edits.json", lines))
    change, recent = sent[PAGE_CHANGE], sent[RECENT_CHANGE]
    assert change["wiki_id"] == recent["wiki"] == "enwiki"
    assert change["meta"]["domain"] == recent["server_name"] == "en.wikipedia.org"
    assert change["page"] == {
        "page_id": 1, "page_title": "Talk:A_b", "namespace_id": 1, "is_redirect": False,
    }  # fmt: skip
    assert change["page_change_kind"] == recent["type"] == "edit"
    assert change["revision"]["rev_id"] == recent["revision"]["new"] == FIRST_REVISION
    assert change["revision"]["rev_parent_id"] == recent["revision"]["old"] == FIRST_PARENT + 1
    assert change["performer"]["is_bot"] is recent["bot"] is True
    assert change["revision"]["is_minor_edit"] is recent["minor"] is True
    assert change["revision"]["comment"] == recent["comment"] == "why"
    assert recent["title"] == "Talk:A b"
    assert recent["length"] == {"old": 5000, "new": 5005}
    assert change["dt"] == change["meta"]["dt"] == recent["meta"]["dt"] == NOW_TEXT
    assert recent["timestamp"] == NOW // 1000


def test_ids_follow_the_order_of_the_lines(tmp_path: Path) -> None:
    lines = [edit("A"), edit("B"), edit("A", channel="#de.wikipedia"), edit("A"), edit("C", isNew=True)]
    sent = [line[PAGE_CHANGE] for line in events(write(tmp_path / "edits.json", lines))]
    assert [e["page"]["page_id"] for e in sent] == [1, 2, 3, 1, 4]
    assert [e["revision"]["rev_id"] - FIRST_REVISION for e in sent] == [0, 1, 2, 3, 4]
    assert sent[3]["revision"]["rev_parent_id"] == FIRST_REVISION
    assert sent[4]["page_change_kind"] == "create"
    assert "rev_parent_id" not in sent[4]["revision"]
    assert sent[4]["revision"]["rev_size"] == 5


def test_local_namespaces_are_not_taken_for_articles(tmp_path: Path) -> None:
    lines = [edit(namespace=name) for name in ("Main", "User talk", "Benutzer")]
    sent = events(write(tmp_path / "edits.json", lines))
    assert [line[RECENT_CHANGE]["namespace"] for line in sent] == [0, 3, 100]


def test_times_can_be_kept(tmp_path: Path) -> None:
    (sent,) = events(write(tmp_path / "edits.json", [edit()]), keep_times=True)
    assert sent[PAGE_CHANGE]["dt"] == sent[RECENT_CHANGE]["meta"]["dt"] == "2015-09-12T00:46:58.771Z"


def test_real_events_go_out_verbatim_but_for_their_times(tmp_path: Path) -> None:
    data = {"meta": {"dt": "2020-01-01T00:00:00Z", "id": "x"}, "timestamp": 1, "title": "é", "odd": [None]}
    change = {"meta": {"dt": "2020-01-01T00:00:00Z"}, "dt": "2020-01-01T00:00:00Z"}
    lines = [{"stream": "recentchange", "data": data}, {"stream": PAGE_CHANGE, "data": change}]
    path = write(tmp_path / "events.jsonl", lines)
    first, second = events(path)
    stamped = {"meta": {"dt": NOW_TEXT, "id": "x"}, "timestamp": NOW // 1000}
    assert first[RECENT_CHANGE] == data | stamped
    assert second[PAGE_CHANGE] == {"meta": {"dt": NOW_TEXT}, "dt": NOW_TEXT}
    assert [next(iter(line.values())) for line in events(path, keep_times=True)] == [data, change]


def test_gz_is_read_and_the_limit_bounds_the_total(tmp_path: Path) -> None:
    path = tmp_path / "edits.json.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(edit(str(n))) + "\n" for n in range(9)).encode()))
    source = RecordedSource(path, limit=4, keep_times=False, page_url="http://r")
    try:
        assert source.total == 4
        assert sum(1 for _ in iter(lambda: source.advance(NOW), None)) == 4
    finally:
        source.close()


def test_a_line_that_cannot_be_read_is_skipped_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    good = json.dumps({"stream": PAGE_CHANGE, "data": {"meta": {}}})
    other = json.dumps({"stream": "unheard.of", "data": {"meta": {}}})
    path.write_text(f"{good}\n{{broken\n{other}\n[]\n{good}\n", encoding="utf-8")
    assert len(list(events(path))) == 2
    assert [record.message for record in caplog.records] == ["line skipped"] * 3


@pytest.mark.parametrize("keep_times", [True, False])
def test_a_line_of_another_shape_does_not_end_the_publishing(tmp_path: Path, keep_times: bool) -> None:
    good = {"stream": PAGE_CHANGE, "data": {"meta": {}}}
    odd = [{"stream": PAGE_CHANGE, "data": data} for data in ({}, [], None, {"meta": None}, {"meta": []})]
    unpaged = [{"stream": PAGE_CHANGE, "data": {"meta": {}, "page": page}} for page in (None, [], "x")]
    source = RecordedSource(
        write(tmp_path / "events.jsonl", [good, *odd, *unpaged, good]),
        limit=None,
        keep_times=keep_times,
        page_url="http://r",
    )
    publisher = Publisher(source, EventLog(0, 1_000_000), lambda: None, rate=1.0, paused=True)
    try:
        assert len(publisher.publish(100)) == 2 + len(unpaged)
    finally:
        source.close()


@pytest.mark.parametrize(
    ("content", "complaint"), [("", "first line"), ("x\n", "first line"), ('{"a":1}\n', "first line")]
)
def test_another_kind_of_file_is_refused_by_name(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"REPLAY_FILE=.*{complaint}"):
        next(events(path))


def test_an_absent_or_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"REPLAY_FILE=.*No such file"):
        next(events(tmp_path / "absent.json"))
    damaged = tmp_path / "x.gz"
    damaged.write_bytes(gzip.compress(b'{"stream": 1, "data": 2}\n' * 99)[:-20])
    with pytest.raises(ConfigurationError, match="REPLAY_FILE="):
        next(events(damaged))
    scrambled = bytearray(gzip.compress(b'{"stream": 1, "data": 2}\n'))
    scrambled[12:20] = b"\xff" * 8
    damaged.write_bytes(scrambled)
    with pytest.raises(ConfigurationError, match="REPLAY_FILE="):
        next(events(damaged))


def test_pages_of_a_file_are_known_as_of_what_was_sent(tmp_path: Path) -> None:
    source = RecordedSource(
        write(tmp_path / "e.json", [edit("A b"), edit("A b")]),
        limit=None,
        keep_times=False,
        page_url="http://r",
    )
    try:
        source.advance(NOW)
        page = source.pages.by_title("A b")
        assert page is not None
        assert (page.page_id, page.current.rev_id, page.visible_text) == (1, FIRST_REVISION, "")
        source.advance(NOW)
        again = source.pages.by_revision(FIRST_REVISION + 1)
        assert again is not None
        assert again.current.rev_id == FIRST_REVISION + 1
    finally:
        source.close()


def test_the_file_of_2015_gives_one_document_state_a_page(shared_data: Path) -> None:
    path = shared_data / "wikipedia-edits-2015-09-12.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        edits = [json.loads(line) for line in lines][:5000]
    expected: dict[tuple[str, str], tuple[int, str]] = {}
    for place, raw in enumerate(edits):
        wiki = raw["channel"][1:].split(".")[0] + "wiki"
        expected[wiki, raw["page"].replace(" ", "_")] = (600_000_000 + place, raw["user"])
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    pages: dict[tuple[str, str], int] = {}
    for line in events(path, limit=5000):
        event = line[PAGE_CHANGE]
        key = (event["wiki_id"], event["page"]["page_title"])
        newest[key] = (event["revision"]["rev_id"], event["performer"]["user_text"])
        assert pages.setdefault(key, event["page"]["page_id"]) == event["page"]["page_id"]
    assert newest == expected
    assert len(set(pages.values())) == len(pages)
