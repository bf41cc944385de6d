from __future__ import annotations

import logging
from datetime import UTC, datetime

import httpx
import pytest

from services.producer.resume import Position
from services.producer.settings import ProducerSettings
from services.producer.sources.choice import choose_source, probe_stream, start_position
from shared.resilience.retry_after import retry_after_seconds

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOW_MS = 1_795_339_800_000


def settings(**values: object) -> ProducerSettings:
    return ProducerSettings(_env_file=None, **values)


def test_a_named_source_is_not_probed() -> None:
    def probe(_client: httpx.Client, _url: str) -> str | None:
        raise AssertionError("probed")

    assert choose_source(settings(source="wikimedia"), probe).live
    assert not choose_source(settings(source="replay"), probe).live


def test_auto_takes_the_live_stream_if_it_answers() -> None:
    source = choose_source(settings(), lambda _client, _url: None)
    assert source.stream_url == "https://stream.wikimedia.org/v2/stream/mediawiki.page_change.v1"


def test_auto_falls_back_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        source = choose_source(settings(), lambda _client, _url: "no route to host")
    assert source.stream_url == "http://127.0.0.1:8090/v2/stream/mediawiki.page_change.v1"
    assert len(caplog.records) == 1
    assert "no route to host" in caplog.text
    assert "http://127.0.0.1:8090" in caplog.text


def test_wikis_default_to_english_live_and_to_all_on_replay() -> None:
    live, replay = (choose_source(settings(source=kind)) for kind in ("wikimedia", "replay"))
    assert live.rules.wikis == {"enwiki"}
    assert replay.rules.wikis == frozenset()
    assert live.rules.page_base is None
    assert replay.rules.page_base == "http://127.0.0.1:8090"


@pytest.mark.parametrize("kind", ["wikimedia", "replay"])
@pytest.mark.parametrize(("value", "expected"), [("dewiki,frwiki", {"dewiki", "frwiki"}), ("*", set())])
def test_wikis_that_are_set_apply_to_both(kind: str, value: str, expected: set[str]) -> None:
    assert choose_source(settings(source=kind, wikimedia_wikis=value)).rules.wikis == expected


def test_where_to_start() -> None:
    live, replay = (choose_source(settings(source=kind)) for kind in ("wikimedia", "replay"))
    stored = Position(1, '[{"topic":"a","partition":0,"timestamp":1}]')
    assert start_position(settings(), live, None, NOW) == Position(NOW_MS)
    assert start_position(settings(), replay, None, NOW) == Position(0)
    assert start_position(settings(), live, stored, NOW) == stored
    assert start_position(settings(source_since="1h"), live, None, NOW) == Position(NOW_MS - 3_600_000)
    assert start_position(settings(source_since="1h"), live, stored, NOW) == stored, "a restart skips nothing"


@pytest.mark.parametrize(
    ("answer", "usable"),
    [
        (httpx.Response(200, headers={"Content-Type": "text/event-stream"}), True),
        (httpx.Response(429), True),
        (httpx.Response(503), True),
        (httpx.Response(403), False),
        (httpx.Response(302, headers={"Location": "http://login.example/"}), False),
        (httpx.Response(200, headers={"Content-Type": "text/html"}), False),
        (httpx.ConnectError("no route to host"), False),
    ],
)
def test_the_probe_judges_what_answers(answer: httpx.Response | Exception, usable: bool) -> None:
    def respond(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with httpx.Client(transport=httpx.MockTransport(respond)) as client:
        assert (probe_stream(client, "https://stream.example/") is None) == usable


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("12", 12.0),
        ("999999", 900.0),
        ("Sun, 22 Nov 2026 09:30:07 GMT", 7.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 09:30:07 -0000", 7.0),
        ("Mon,Jan +99999999999 10:10 99", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds
