"""The stand-ins of tests/compose: the packages that they are made of."""

from __future__ import annotations

from deploy.paths import ROOT

REQUIREMENTS = ROOT / "tests" / "compose" / "stand_ins" / "common-python" / "requirements.txt"


def test_they_are_made_of_the_versions_that_everything_is_tested_with() -> None:
    pinned = set((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    assert set(REQUIREMENTS.read_text(encoding="utf-8").split()) - pinned == set()
