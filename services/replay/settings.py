"""Settings of the replay server: environment (``REPLAY_*``), overridden by command-line flags."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliImplicitFlag, SettingsConfigDict

from shared.settings import EnvironmentSettings


class ReplaySettings(EnvironmentSettings):
    model_config = SettingsConfigDict(
        env_prefix="REPLAY_",
        cli_prog_name="python -m services.replay",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8090, ge=1, le=65_535)
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="base of the page links inside events; http://HOST:PORT by default",
    )
    rate: float = Field(default=4.0, gt=0, le=10_000, description="changes per second")
    file: Path | None = Field(default=None, description="replay this file instead of the stories")
    limit: int | None = Field(default=None, ge=1, description="stop after so many lines of the file")
    keep_times: CliImplicitFlag[bool] = Field(
        default=False, description="leave the times inside the file's events as they are"
    )
    seed: int = Field(default=1, description="seed of the story timeline")
    history: int | None = Field(
        default=None,
        ge=0,
        description="changes published at once at start; by default every page that exists at start",
    )
    paused: CliImplicitFlag[bool] = Field(default=False, description="start without publishing on its own")
    cut_after: float = Field(default=900.0, gt=0, description="seconds after which a stream is cut")
    connections_per_client: int = Field(default=2, ge=1, description="streams that one IP address may hold")
    retention_mb: int = Field(default=48, ge=1, description="events kept for resumption, for each stream")

    @property
    def page_url(self) -> str:
        """Where a browser on this machine finds the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return self.public_url or f"http://{host}:{self.port}"
