"""The laws of the ``VectorStore`` port. Each adapter's test class inherits them and gives a store."""

from __future__ import annotations

import pytest

from tests.contract.vector_store.builders import ManualClock
from tests.contract.vector_store.checks import PartOf
from tests.contract.vector_store.feed_laws import ExpiryLaws, FeedLaws, PurgeLaws
from tests.contract.vector_store.life_laws import InspectionLaws, LifeLaws
from tests.contract.vector_store.lookup_laws import LookUpLaws
from tests.contract.vector_store.nearest_laws import NearestLaws
from tests.contract.vector_store.search_laws import SearchLaws
from tests.contract.vector_store.value_laws import ValueLaws
from tests.contract.vector_store.write_laws import DeleteLaws, ReuseLaws, WriteLaws


class VectorStoreContract(
    WriteLaws,
    DeleteLaws,
    ReuseLaws,
    LookUpLaws,
    SearchLaws,
    NearestLaws,
    ValueLaws,
    FeedLaws,
    InspectionLaws,
    PurgeLaws,
    ExpiryLaws,
    LifeLaws,
):
    """Override ``store``; it must be empty, of ``DIMENSION`` and on ``clock``. Override ``part_of`` where
    the store has several change feeds."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def part_of(self) -> PartOf:
        return lambda document_id: 0
