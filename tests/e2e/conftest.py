from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.stack import RunningStack, started_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole stack on the demo wiki. Its stream is paused: what happens next is up to the test."""
    with started_stack(tmp_path_factory.mktemp("stack"), REPLAY_PAUSED="true") as running:
        yield running
