"""Which stream feeds the stack: the live one where it can be reached."""

from __future__ import annotations

from services.producer.settings import ProducerSettings
from services.producer.sources.choice import PROBE_SECONDS, build_client, probe_stream


def choose_source(settings: ProducerSettings) -> tuple[str, str]:
    """``("wikimedia" | "replay", why)``.

    Chosen once for the whole stack, because it decides whether a replay server is started at all.
    """
    if settings.source != "auto":
        return settings.source, f"SOURCE={settings.source}"
    url = f"{settings.wikimedia_url}/v2/stream/{','.join(settings.wikimedia_streams)}"
    with build_client(settings, live=True, read_timeout=PROBE_SECONDS) as client:
        problem = probe_stream(client, url)
    if problem is None:
        return "wikimedia", f"{settings.wikimedia_url} answers"
    return "replay", f"{settings.wikimedia_url} cannot be used: {problem}"
