"""Whether a local stack replays the demo's stories."""

from __future__ import annotations

from services.producer.settings import ProducerSettings
from services.replay.settings import ReplaySettings


def expects_stories(replay: ReplaySettings, producer: ProducerSettings, replay_url: str) -> bool:
    """Whether the demo's stories are what is replayed from the start, and none is filtered out."""
    return (
        replay.file is None
        and replay.history is None
        and producer.replay_url == replay_url
        and producer.source_since is None
        and not producer.wikimedia_wikis
        and (not producer.namespaces or 0 in producer.namespaces)
    )
