"""The replay server as a process: what a client sees on the wire."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.replay.story import stories
from tests.support.processes import free_port, running, wait_until

AGENT = "replay-tests/1.0 (https://replay-tests.example; tests@replay-tests.example)"
PAGE_CHANGE = "mediawiki.page_change.v1"
RECENT_CHANGE = "mediawiki.recentchange"
OTHER_TOPIC = '[{"topic":"eqiad.mediawiki.recentchange","partition":0,"offset":1}]'

get = functools.partial(httpx.get, timeout=60)
post = functools.partial(httpx.post, timeout=60)


class Server:
    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def status(self) -> dict[str, Any]:
        return dict(get(f"{self.url}/replay/status").json())

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = post(f"{self.url}/replay/{path}", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def page(self, title: str) -> dict[str, Any]:
        parameters = {
            "action": "query", "prop": "extracts|info|revisions", "explaintext": "1", "format": "json",
            "formatversion": "2", "titles": title,
        }  # fmt: skip
        body = get(f"{self.url}/w/api.php", params=parameters).json()
        return dict(body["query"]["pages"][0])


@contextlib.contextmanager
def replay(tmp_path: Path, *flags: str, paused: bool = True) -> Iterator[Server]:
    port = free_port()
    log = tmp_path / "replay.log"
    command = [sys.executable, "-m", "services.replay", "--port", str(port), *flags]
    with running([*command, "--paused"] if paused else command, log) as process:
        server = Server(port, log)
        wait_until(lambda: is_ready(server), 60, f"replay server (log: {log})")
        yield server
        process.terminate()
        assert process.wait(60) == 0, log.read_text()


def is_ready(server: Server) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return get(f"{server.url}/health/ready").status_code == 200
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One paused server for the tests that do not mind each other's events."""
    with replay(tmp_path_factory.mktemp("replay"), "--history", "60") as started:
        yield started


class Stream:
    """A client that sees raw bytes. ``ended`` once the server has closed the connection."""

    def __init__(self, server: Server, streams: str, query: str = "", **headers: str) -> None:
        sent = {"Host": "replay", "User-Agent": AGENT, "Accept": "text/event-stream"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = f"GET /v2/stream/{streams}{query} HTTP/1.1\r\n"
        request += "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value) + "\r\n"
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._socket.sendall(request.encode())
        self._raw = b""
        self.ended = False
        while b"\r\n\r\n" not in self._raw:
            self._receive()
        head, self._raw = self._raw.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
        self.headers = {name.lower(): value.strip() for name, _, value in lines}

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _receive(self) -> None:
        part = self._socket.recv(65536)
        self.ended = not part
        self._raw += part
        assert part or self._raw, "closed without an answer"

    @property
    def body(self) -> bytes:
        """What arrived so far, without the chunks' framing."""
        rest, body = self._raw, b""
        while b"\r\n" in rest:
            size, rest = rest.split(b"\r\n", 1)
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return body

    @property
    def closed_properly(self) -> bool:
        return self._raw.endswith(b"0\r\n\r\n")

    def until(self, frames: int) -> list[bytes]:
        """The first ``frames`` events."""
        while (have := self.body.count(b"\n\n") - 1) < frames:
            assert not self.ended, f"the stream ended after {have} of {frames} events"
            self._receive()
        return self.body.split(b"\n\n")[1 : frames + 1]

    def until_end(self) -> bytes:
        while not self.ended:
            self._receive()
        return self.body


def data_of(frame: bytes) -> dict[str, Any]:
    return dict(json.loads(frame.split(b"\ndata: ", 1)[1]))


def id_of(frame: bytes) -> str:
    return frame.split(b"\n")[1].removeprefix(b"id: ").decode()


def event_ids(frames: list[bytes]) -> list[str]:
    return [data_of(frame)["meta"]["id"] for frame in frames]


def test_the_bytes_are_those_of_eventstreams(server: Server) -> None:
    with Stream(server, f"{PAGE_CHANGE},recentchange") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache"
        sent = server.post("publish", count=1)
        frame = stream.until(1)[0] + b"\n\n"
        first = sent["events"][0]
        entries = [
            {"topic": f"eqiad.{first['stream']}", "partition": 0, "timestamp": first["sent_at_ms"] + 1},
            *(
                {"topic": topic, "partition": 0, "offset": -1}
                for topic in (
                    f"eqiad.{PAGE_CHANGE}", f"codfw.{PAGE_CHANGE}",
                    f"eqiad.{RECENT_CHANGE}", f"codfw.{RECENT_CHANGE}",
                )
                if topic != f"eqiad.{first['stream']}"
            ),
        ]  # fmt: skip
        assert stream.body.startswith(b":ok\n\nevent: message\nid: [")
        event, event_id, data, *rest = frame.split(b"\n")
        assert (event, rest) == (b"event: message", [b"", b""])
        key = str
        assert sorted(json.loads(event_id.removeprefix(b"id: ")), key=key) == sorted(entries, key=key)
        assert b" " not in event_id.removeprefix(b"id: ")
        meta = json.loads(data.removeprefix(b"data: "))["meta"]
        assert meta["id"] == first["event_id"]
        assert (meta["partition"], meta["offset"]) == (0, first["offset"])


def test_without_accept_the_charset_is_not_named(server: Server) -> None:
    with Stream(server, PAGE_CHANGE, Accept="") as stream:
        assert stream.headers["content-type"] == "text/event-stream"


def test_json_lines_start_with_an_empty_line_and_have_no_ids(server: Server) -> None:
    with Stream(server, PAGE_CHANGE, "?since=0", Accept="application/json") as stream:
        while stream.body.count(b"\n") < 4:
            stream._receive()
        first, *lines = stream.body.split(b"\n")[:4]
        assert first == b""
        assert all(json.loads(line)["meta"]["stream"] == PAGE_CHANGE for line in lines)
        assert stream.headers["content-type"].startswith("application/json")


def test_the_history_is_dated_in_the_past_and_since_finds_a_place_in_it(server: Server) -> None:
    with Stream(server, PAGE_CHANGE, "?since=2020-01-01") as stream:
        frames = stream.until(50)
    times = [data_of(frame)["meta"]["dt"] for frame in frames]
    assert times == sorted(times)
    with Stream(server, PAGE_CHANGE, f"?since={times[20]}") as stream:
        assert event_ids(stream.until(30)) == event_ids(frames[20:])


def test_a_new_connection_starts_with_what_comes_next(server: Server) -> None:
    with Stream(server, PAGE_CHANGE) as stream:
        sent = server.post("publish", story="tindle-recall")
        assert event_ids(stream.until(1)) == [sent["event_id"]]


def test_last_event_id_brings_exactly_what_was_missed_and_overrides_since(server: Server) -> None:
    with Stream(server, f"{PAGE_CHANGE},{RECENT_CHANGE}") as stream:
        seen = []
        for _ in range(3):
            seen += server.post("publish", count=1)["events"]
            time.sleep(0.002)  # the id is a millisecond: events that share one are lost to a resume
        last = id_of(stream.until(len(seen))[-1])
    missed = []
    for _ in range(5):
        missed += server.post("publish", count=1)["events"]
        time.sleep(0.002)
    with Stream(server, f"{PAGE_CHANGE},{RECENT_CHANGE}", "?since=0", Last_Event_ID=last) as stream:
        assert event_ids(stream.until(len(missed))) == [event["event_id"] for event in missed]
        newer = server.post("publish", count=1)["events"][0]
        assert event_ids(stream.until(len(missed) + 1))[-1] == newer["event_id"]


@pytest.mark.parametrize(
    ("streams", "query", "headers", "status"),
    [
        ("mediawiki.nothing", "", {}, 400),
        (f"{PAGE_CHANGE},x", "", {}, 400),
        (PAGE_CHANGE, "?since=yesterday", {}, 400),
        (PAGE_CHANGE, "", {"Last_Event_ID": "{"}, 400),
        (PAGE_CHANGE, "", {"Last_Event_ID": OTHER_TOPIC}, 404),
        (PAGE_CHANGE, "", {"User_Agent": ""}, 403),
        (PAGE_CHANGE, "", {"User_Agent": "python-httpx/0.28.1"}, 403),
        (PAGE_CHANGE, "", {"User_Agent": "Java/21"}, 403),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused(
    server: Server, streams: str, query: str, headers: dict[str, str], status: int
) -> None:
    with Stream(server, streams, query, **headers) as stream:
        assert stream.status == status
        assert stream.headers["content-type"] == "application/json"


def test_a_third_connection_of_one_client_is_refused_until_another_ends(server: Server) -> None:
    wait_until(lambda: server.status()["connections"] == 0, 60, "earlier connections ended")
    with Stream(server, PAGE_CHANGE), Stream(server, PAGE_CHANGE) as second:
        with Stream(server, PAGE_CHANGE) as third:
            assert third.status == 429
        second.__exit__()
        wait_until(lambda: server.status()["connections"] == 1, 60, "a departed client is noticed")
        with Stream(server, PAGE_CHANGE) as fourth:
            assert fourth.status == 200


def test_the_api_has_the_newest_text_that_was_sent_and_no_newer(server: Server) -> None:
    story = next(story for story in stories() if story.story_id == "calder-esmond")
    with Stream(server, PAGE_CHANGE) as stream:
        for place, step in enumerate(story.steps, start=1):
            sent = server.post("publish", story=story.story_id, step=step.number)
            assert data_of(stream.until(place)[-1])["revision"]["rev_id"] == sent["rev_id"]
            page = server.page(story.title)
            assert (page["lastrevid"], page["pageid"]) == (sent["rev_id"], sent["page_id"])
            assert page["extract"] == step.text
    assert server.status()["story_steps"][story.story_id] == len(story.steps)
    assert server.post("publish", story=story.story_id, step=1)["event_id"] is None


def test_a_page_opens_in_a_browser_at_any_revision(server: Server) -> None:
    sent = [server.post("publish", story="bellwether-hoax", step=step) for step in (1, 2)]
    address = f"{server.url}/wiki/Bellwether_sea_cow"
    assert "six metres" in get(address).text
    old = get(f"{address}?oldid={sent[0]['rev_id']}")
    assert "four metres" in old.text
    assert "six metres" not in old.text
    assert get(f"{address}?oldid=1").status_code == 404
    assert "&lt;b&gt;" in get(f"{server.url}/wiki/%3Cb%3E").text
    server.post("publish", story="bellwether-hoax", step=4)
    assert get(address).status_code == 404


def test_raw_bytes_can_be_injected(server: Server) -> None:
    bodies = [b"{not json", b'{"a":"\xff\xfe"}', b'{"pad":"' + b"x" * 5_000_000 + b'"}']
    with Stream(server, RECENT_CHANGE) as stream:
        for body in bodies:
            sent = post(f"{server.url}/replay/inject", params={"stream": "recentchange"}, content=body)
            assert sent.json()["bytes"] == len(body)
        frames = stream.until(3)
    assert [frame.split(b"\ndata: ", 1)[1] for frame in frames] == bodies


def test_control_refuses_nonsense_and_web_pages(server: Server) -> None:
    address = f"{server.url}/replay"
    assert post(f"{address}/publish", json={"story": "nothing"}).status_code == 404
    assert post(f"{address}/publish", json={"count": 0}).status_code == 422
    assert post(f"{address}/publish", content=b"{").status_code == 422
    assert post(f"{address}/pace", json={"rate": 0}).status_code == 422
    assert post(f"{address}/inject?stream=x").status_code == 422
    assert post(f"{address}/cut", headers={"Origin": "https://evil.example"}).status_code == 403


def test_a_cut_breaks_the_connection_off_and_can_leave_half_an_event(server: Server) -> None:
    with Stream(server, PAGE_CHANGE) as stream:
        server.post("publish", story="glasswing-film")
        stream.until(1)
        assert server.post("cut")["cut"] == 1
        assert stream.until_end().endswith(b"}\n\n")
        assert not stream.closed_properly
    with Stream(server, PAGE_CHANGE) as stream:
        server.post("cut", mid_event=True)
        tail = stream.until_end()
        assert b"\ndata: {" in tail
        assert not tail.endswith(b"\n\n")
    assert "ASGI callable" not in server.log.read_text()


def test_streams_are_cut_after_their_time_and_sigterm_does_not_wait_for_them(tmp_path: Path) -> None:
    with replay(tmp_path, "--cut-after", "0.5", "--history", "1") as server:
        begun = time.monotonic()
        with Stream(server, PAGE_CHANGE) as stream:
            stream.until_end()
        assert time.monotonic() - begun >= 0.5
    log = tmp_path / "second.log"
    port = free_port()
    command = [sys.executable, "-m", "services.replay", "--port", str(port)]
    with running(command, log) as process:
        server = Server(port, log)
        wait_until(lambda: is_ready(server), 60, "replay server")
        with Stream(server, PAGE_CHANGE, "?since=0") as stream, Stream(server, RECENT_CHANGE) as idle:
            stream.until(300)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            stream.until_end()
            idle.until_end()
            assert stream.closed_properly
            assert idle.closed_properly


def test_events_flow_at_the_rate_and_it_can_be_changed(tmp_path: Path) -> None:
    with replay(tmp_path, "--rate", "200", "--history", "0", paused=False) as server:
        begun, before = time.monotonic(), server.status()["published"]
        wait_until(
            lambda: server.status()["published"] >= before + 200, 40, "200 changes"
        )  # 50 s at the default rate
        assert time.monotonic() - begun > 0.7
        server.post("pace", paused=True)
        status = server.status()
        assert status["paused"] is True
        assert server.post("publish", count=5)["event_id"]
        assert server.status()["published"] == status["published"] + 5


def test_a_file_is_replayed_to_its_end(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "wikipedia-edits-2015-09-12.json.gz"
    flags = ("--file", str(path), "--limit", "300", "--rate", "2000")
    with replay(tmp_path, *flags, paused=False) as server:
        wait_until(lambda: server.status()["exhausted"], 60, "the end of the file")
        assert server.status()["published"] == server.status()["total"] == 300
        with Stream(server, PAGE_CHANGE, "?since=0") as stream:
            events = [data_of(frame) for frame in stream.until(300)]
        assert [event["revision"]["rev_id"] for event in events] == list(range(600_000_000, 600_000_300))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--rate", "0"), "REPLAY_RATE=0"),
        (("--file", "no-such-file"), "REPLAY_FILE=no-such-file"),
        (("--port", "70000"), "REPLAY_PORT=70000"),
    ],
)
def test_a_wrong_setting_stops_it_with_one_line(
    tmp_path: Path, flags: tuple[str, ...], complaint: str
) -> None:
    log = tmp_path / "replay.log"
    with running(
        [sys.executable, "-m", "services.replay", "--port", str(free_port()), *flags], log
    ) as process:
        assert process.wait(60) == 2
    errors = [line for line in log.read_text().splitlines() if not line.startswith("{")]
    assert len(errors) == 1
    assert complaint in errors[0]


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        log = tmp_path / "replay.log"
        with running([sys.executable, "-m", "services.replay", "--port", str(port)], log) as process:
            assert process.wait(60) == 2
    assert f"REPLAY_PORT={port}: cannot listen" in log.read_text()
    assert "Traceback" not in log.read_text()
