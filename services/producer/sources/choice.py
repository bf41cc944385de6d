"""Which stream to read: the live one where it can be reached, the replay server otherwise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import httpx

from services.producer.changes import Rules
from services.producer.resume import Position
from services.producer.settings import DEFAULT_WIKIS, ProducerSettings, since_milliseconds
from shared.domain import epoch_milliseconds

log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
_READ_SECONDS = 75.0
_CONNECT_SECONDS = 5.0

Probe = Callable[[httpx.Client, str], str | None]


@dataclass(frozen=True, slots=True)
class Source:
    """``key`` tells the cursors of two sources apart."""

    kind: Literal["wikimedia", "replay"]
    base_url: str
    streams: tuple[str, ...]
    rules: Rules

    @property
    def live(self) -> bool:
        return self.kind == "wikimedia"

    @property
    def stream_url(self) -> str:
        return f"{self.base_url}/v2/stream/{','.join(self.streams)}"

    @property
    def key(self) -> str:
        return self.stream_url

    @property
    def origin(self) -> str:
        """Names the source in dead letters."""
        return f"{self.kind}:{','.join(self.streams)}"

    def initial(self, now: datetime) -> Position:
        """Where to start without a cursor: the live stream now, the replay at its beginning."""
        return Position(epoch_milliseconds(now) if self.live else 0)


def build_client(
    settings: ProducerSettings, *, live: bool, read_timeout: float = _READ_SECONDS
) -> httpx.Client:
    """A client for one source. Proxies of the environment are for the live one only."""
    return httpx.Client(
        headers={"User-Agent": settings.wikimedia_user_agent, "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(_CONNECT_SECONDS, read=read_timeout),
        follow_redirects=False,
        trust_env=live,
    )


def choose_source(settings: ProducerSettings, probe: Probe | None = None) -> Source:
    """As ``SOURCE`` says; for ``auto``, the live stream if it answers within 5 s."""
    live, replay = _source(settings, "wikimedia"), _source(settings, "replay")
    if settings.source != "auto":
        return live if settings.source == "wikimedia" else replay
    problem = _problem_of(live, settings, probe)
    if problem is None:
        log.info("SOURCE=auto: reading the live stream", extra={"url": live.stream_url})
        return live
    log.warning(
        f"SOURCE=auto: the live stream {live.base_url} cannot be used ({problem});"
        f" reading the replay server {replay.base_url} instead"
    )
    return replay


def usable_source(settings: ProducerSettings, probe: Probe | None = None) -> tuple[str, str]:
    """``("wikimedia" | "replay", why)``, for whoever starts a whole stack: it decides whether a replay server
    is started at all."""
    if settings.source != "auto":
        return settings.source, f"SOURCE={settings.source}"
    live = _source(settings, "wikimedia")
    problem = _problem_of(live, settings, probe)
    if problem is None:
        return "wikimedia", f"{live.base_url} answers"
    return "replay", f"{live.base_url} cannot be used: {problem}"


def _problem_of(live: Source, settings: ProducerSettings, probe: Probe | None) -> str | None:
    with build_client(settings, live=True, read_timeout=PROBE_SECONDS) as client:
        return (probe or probe_stream)(client, live.stream_url)


def start_position(
    settings: ProducerSettings, source: Source, stored: Position | None, now: datetime
) -> Position:
    """The stored cursor; on the first start ``SOURCE_SINCE`` if it is given, else the source's beginning."""
    if stored is not None:
        return stored
    if settings.source_since is not None:
        return Position(since_milliseconds(settings.source_since, now))
    return source.initial(now)


def probe_stream(client: httpx.Client, url: str) -> str | None:
    """Why the stream cannot be used, or ``None``. In a thread, because resolving a name knows no timeout."""
    outcome: list[str | None] = []

    def ask() -> None:
        outcome.append(_try_stream(client, url))

    thread = threading.Thread(target=ask, name="probe", daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return outcome[0] if outcome else f"no answer within {PROBE_SECONDS:g} s"


def _try_stream(client: httpx.Client, url: str) -> str | None:
    busy = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
    try:
        with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
            if response.status_code in busy:
                return None
            if response.status_code != httpx.codes.OK:
                return f"status {response.status_code}"
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                return "it answers with something else than an event stream"
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None


def _source(settings: ProducerSettings, kind: Literal["wikimedia", "replay"]) -> Source:
    live = kind == "wikimedia"
    wikis = settings.wikimedia_wikis
    default = DEFAULT_WIKIS if live else frozenset[str]()
    return Source(
        kind=kind,
        base_url=settings.wikimedia_url if live else settings.replay_url,
        streams=settings.wikimedia_streams,
        rules=Rules(
            wikis=default if wikis is None else frozenset(wikis),
            namespaces=settings.namespaces,
            include_bots=settings.wikimedia_include_bots,
            page_base=None if live else settings.replay_public_url or settings.replay_url,
        ),
    )
