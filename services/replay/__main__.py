"""``python -m services.replay``: the composition root of the replay server."""

from __future__ import annotations

import logging
import sys
import time

from pydantic import ValidationError
from pydantic_settings import CliApp

from services.replay.publisher import Source
from services.replay.recorded_source import RecordedSource
from services.replay.server import ReplayServer, bind
from services.replay.settings import ReplaySettings
from services.replay.story import stories
from services.replay.story_source import StorySource
from shared.errors import ConfigurationError
from shared.lifecycle import Lifecycle, run_service
from shared.observability.log import configure_logging
from shared.settings import ObservabilitySettings, load_settings

log = logging.getLogger(__name__)


def main(lifecycle: Lifecycle) -> None:
    settings = read_settings(sys.argv[1:])
    configure_logging("replay", load_settings(ObservabilitySettings))
    # uvicorn reports a response that is broken off on purpose as an error of the application.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: record.getMessage() != "ASGI callable returned without completing response."
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    start_ms = time.time_ns() // 1_000_000
    listener = bind(settings)
    lifecycle.on_close("listener", listener.close)
    server = ReplayServer(
        settings, _open_source(settings, start_ms, lifecycle), start_ms, listener, on_end=lifecycle.stop.set
    )
    lifecycle.on_close("server", server.close)
    server.start()
    log.info("replaying", extra={"url": settings.page_url, "rate": settings.rate})
    lifecycle.stop.wait()


def read_settings(arguments: list[str]) -> ReplaySettings:
    """The environment, overridden by flags.

    :raises ConfigurationError: one line that names the setting.
    """
    try:
        return CliApp.run(ReplaySettings, cli_args=arguments)
    except ValidationError as error:
        lines = [
            f"REPLAY_{'_'.join(str(part) for part in problem['loc'])}".upper()
            + f"={problem.get('input')}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(lines)) from None


def _open_source(settings: ReplaySettings, start_ms: int, lifecycle: Lifecycle) -> Source:
    if settings.file is None:
        return StorySource(stories(), settings.seed, start_ms, settings.page_url)
    source = RecordedSource(
        settings.file, limit=settings.limit, keep_times=settings.keep_times, page_url=settings.page_url
    )
    lifecycle.on_close("file", source.close)
    return source


if __name__ == "__main__":
    raise SystemExit(run_service("replay", main))
