"""``python -m deploy.extras``: the extras of the project that the settings need beyond the default ones."""

from __future__ import annotations

from shared.errors import ConfigurationError
from shared.settings import EmbedderSettings, load_settings


def extras_for(embedder: EmbedderSettings) -> list[str]:
    """The default backend's packages are among the services' own."""
    if embedder.kind == "hashing" or embedder.backend == "openvino":
        return []
    return [embedder.backend]


def main() -> None:
    try:
        print(*extras_for(load_settings(EmbedderSettings)))
    except ConfigurationError:
        return  # the start that follows names every wrong value


if __name__ == "__main__":
    main()
