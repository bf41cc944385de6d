from __future__ import annotations

import asyncio
import logging

import pytest

from services.replay.app import create_app
from services.replay.connections import Connections
from services.replay.event_log import EventLog
from services.replay.mediawiki_events import Emission
from services.replay.publisher import Publisher
from services.replay.story_source import StorySource


class FailingSource(StorySource):
    def advance(self, now_ms: int) -> list[Emission] | None:
        raise RuntimeError("out of stories")


def test_the_end_of_the_publishing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    source, log = FailingSource([], 1, 0, "http://r"), EventLog(0, 1_000)
    publisher = Publisher(source, log, lambda: None, rate=10_000.0, paused=False)
    app = create_app(publisher, source, log, Connections(2), cut_after=1.0)

    async def serve() -> None:
        async with app.router.lifespan_context(app):
            async with asyncio.timeout(60):
                while not caplog.records:
                    await asyncio.sleep(0.001)

    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="out of stories"):
        asyncio.run(serve())
    assert "publishing" in caplog.text
    assert "out of stories" in caplog.text
