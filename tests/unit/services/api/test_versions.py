from __future__ import annotations

import itertools
import random
from datetime import timedelta

from services.api.versions import MAX_REVISION, VersionLedger
from shared.domain import Version, epoch_milliseconds
from tests.unit.services.api.conftest import NOW, FixedClock

NOW_MS = epoch_milliseconds(NOW)


def ledger(capacity: int = 100) -> VersionLedger:
    return VersionLedger(FixedClock(), capacity)


def test_a_push_without_a_version_gets_the_time_as_one() -> None:
    assert ledger().for_push("a", None, None) == Version(NOW_MS, NOW)


def test_a_version_that_the_client_names_is_kept() -> None:
    earlier = NOW - timedelta(days=1)
    assert ledger().for_push("a", 7, earlier) == Version(7, earlier)


def test_within_one_millisecond_the_later_write_is_the_newer_one() -> None:
    versions = ledger()
    pushed = [versions.for_push("a", None, None) for _ in range(3)]
    deleted = versions.for_delete("a", None)
    again = versions.for_push("a", None, None)
    assert pushed == sorted(set(pushed))
    assert pushed[-1] < deleted < again


def test_the_same_revision_pushed_again_is_newer_by_its_time() -> None:
    versions = ledger()
    assert versions.for_push("a", 7, None) < versions.for_push("a", 7, None)


def test_a_delete_wins_over_the_stored_version_but_not_over_the_next_revision() -> None:
    for stored_at in (NOW - timedelta(hours=1), NOW, NOW + timedelta(hours=1)):
        stored = Version(1200, stored_at)
        deleted = ledger().for_delete("enwiki:1", stored)
        assert stored < deleted < Version(1201, stored_at)


def test_a_delete_wins_over_a_push_that_is_not_stored_yet() -> None:
    versions = ledger()
    pushed = versions.for_push("a", 9000, NOW)
    assert versions.for_delete("a", Version(3, NOW)) > pushed


def test_a_delete_of_an_unknown_document_wins_over_pushes_through_another_process() -> None:
    pushed_elsewhere = ledger().for_push("a", None, None)
    clock = FixedClock()
    clock.moment += timedelta(milliseconds=1)
    assert VersionLedger(clock).for_delete("a", None) > pushed_elsewhere


def test_a_repeated_delete_does_not_jump_beyond_the_clients_numbers() -> None:
    versions = ledger()
    versions.for_delete("a", Version(3, NOW))
    assert versions.for_delete("a", None) < versions.for_push("a", 4, None)


def test_a_delete_with_a_revision_uses_it() -> None:
    assert ledger().for_delete("a", None, 17) == Version(17, NOW)
    assert ledger().for_delete("a", Version(17, NOW), 17) > Version(17, NOW)


def test_the_highest_revision_can_still_be_pushed_again() -> None:
    versions = ledger()
    highest = versions.for_push("a", MAX_REVISION, None)
    again = versions.for_push("a", None, None)
    assert again.revision == MAX_REVISION
    assert again > highest


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    versions = ledger(capacity=2)
    for document_id in ("a", "b", "c"):
        versions.for_push(document_id, MAX_REVISION, NOW)
    assert versions.for_delete("c", None).revision == MAX_REVISION
    assert versions.for_delete("b", None).revision == MAX_REVISION
    assert versions.for_delete("a", None).revision == NOW_MS


def test_any_mix_of_default_pushes_and_deletes_is_strictly_ordered() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        clock = FixedClock()
        versions = VersionLedger(clock)
        given = []
        for _ in range(30):
            clock.moment += timedelta(milliseconds=chance.choice((-1, 0, 0, 1, 5)))
            delete = chance.random() < 0.4
            given.append(
                versions.for_delete("a", chance.choice([None, *given[-3:]]))
                if delete
                else versions.for_push("a", None, None)
            )
        assert all(before < after for before, after in itertools.pairwise(given)), f"seed {seed}: {given}"
