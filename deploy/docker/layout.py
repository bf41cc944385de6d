"""Where the stack in containers keeps what it generates: all of it under ``DATA_DIR/docker``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.paths import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
DOTENV = ROOT / ".env"


@dataclass(frozen=True)
class Layout:
    """``data_dir`` is absolute."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / "docker"

    @property
    def stack_env(self) -> Path:
        """Generated settings that are no secrets."""
        return self.folder / "stack.env"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def acl_file(self) -> Path:
        """Redis' users; hashes alone, so any uid may read it."""
        return self.folder / "redis" / "users.acl"

    @property
    def facts(self) -> Path:
        """What was started; exists from a start to the stop after it."""
        return self.folder / "stack.json"

    @property
    def built(self) -> Path:
        """What the images were built from."""
        return self.folder / "built.json"

    @property
    def lock(self) -> Path:
        return self.folder / "start.lock"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"
