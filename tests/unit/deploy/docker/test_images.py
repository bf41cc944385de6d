from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.docker.images import SOURCES, builds_of, source_fingerprint
from deploy.paths import ROOT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("Dockerfile", "shared/a.py", "services/api/b.py", "tests/c.py", "shared/__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_the_source_of_the_images_is_there() -> None:
    assert [name for name in SOURCES if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["Dockerfile", "shared/a.py", "services/api/b.py", "shared/new.py"])
def test_a_change_of_what_goes_into_an_image_is_noticed(source: Path, name: str) -> None:
    before = source_fingerprint(source, {})
    (source / name).write_text("changed")
    assert source_fingerprint(source, {}) != before


@pytest.mark.parametrize("name", ["tests/c.py", "shared/__pycache__/a.pyc", "README.md"])
def test_a_change_of_anything_else_builds_nothing(source: Path, name: str) -> None:
    before = source_fingerprint(source, {})
    (source / name).write_text("changed")
    assert source_fingerprint(source, {}) == before


def test_a_file_that_moves_is_a_change(source: Path) -> None:
    before = source_fingerprint(source, {})
    (source / "shared/a.py").rename(source / "shared/z.py")
    assert source_fingerprint(source, {}) != before


def test_how_it_is_built_counts_too(source: Path) -> None:
    assert source_fingerprint(source, {"api": {"args": {"EXTRAS": ""}}}) != source_fingerprint(
        source, {"api": {"args": {"EXTRAS": "torch"}}}
    )


def test_an_image_that_two_services_share_is_built_once() -> None:
    model: dict[str, Any] = {
        "services": {
            "api": {"image": "a", "build": {"target": "api"}},
            "replay": {"image": "a", "build": {"target": "api"}},
            "redis": {"image": "r"},
        }
    }
    assert builds_of(model) == {"api": {"image": "a", "target": "api"}}
