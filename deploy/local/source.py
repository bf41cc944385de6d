"""Which stream feeds the stack: the live one where it can be reached."""

from __future__ import annotations

import threading

import httpx

from services.producer.settings import ProducerSettings

_PROBE_SECONDS = 5.0


def choose_source(settings: ProducerSettings) -> tuple[str, str]:
    """``("wikimedia" | "replay", why)``; asks the live stream for at most 5 s where it may choose."""
    if settings.source != "auto":
        return settings.source, f"SOURCE={settings.source}"
    problem = probe(settings.wikimedia_url, settings.wikimedia_streams, settings.wikimedia_user_agent)
    if problem is None:
        return "wikimedia", f"{settings.wikimedia_url} answers"
    return "replay", f"{settings.wikimedia_url} cannot be reached: {problem}"


def probe(url: str, streams: tuple[str, ...], user_agent: str) -> str | None:
    """What keeps us from opening the stream; ``None`` where it opens.

    In a thread, because a look-up of a name knows no timeout.
    """
    outcome: list[str | None] = []

    def ask() -> None:
        headers = {"User-Agent": user_agent, "Accept": "text/event-stream"}
        address = f"{url.rstrip('/')}/v2/stream/{','.join(streams)}"
        try:
            with httpx.stream("GET", address, headers=headers, timeout=_PROBE_SECONDS) as response:
                code = response.status_code
                outcome.append(None if code == 200 else f"it answers with status {code}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            outcome.append(str(error) or type(error).__name__)

    thread = threading.Thread(target=ask, name="probe", daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    return outcome[0] if outcome else f"no answer in {_PROBE_SECONDS:g} s"
