"""What every test on a real container engine shares: the engine, and one build of each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import engine_images
from tests.support.compose_stack import ComposeStack, compose_stack
from tests.support.engine import Engine, running_engine

_SECONDS = 1800
"""For a test with the images that it may be the first to build."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real engine. Shared with others on this machine: give what you create names of your own."""
    with running_engine(tmp_path_factory.mktemp("engine")) as found:
        yield found


@pytest.fixture(scope="session")
def service_images(engine: Engine) -> dict[str, str]:
    """The tags of the shipped Dockerfile's images, by service."""
    return engine_images.service_images(engine)


@pytest.fixture(scope="session")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """The shipped stack with its default profiles, healthy. Its stream is paused: what happens next is up to
    the test, which leaves the stack whole and running."""
    folder = tmp_path_factory.mktemp("compose")
    with compose_stack(engine, folder / "data", REPLAY_PAUSED="true") as running:
        yield running
