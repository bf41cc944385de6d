"""The bench of the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.services.processor.loop_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.embedder.gate.set()
    bench.producer.close()
