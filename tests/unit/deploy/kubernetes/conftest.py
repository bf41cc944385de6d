from __future__ import annotations

import pytest

from tests.support.kubernetes import OVERLAYS, Manifest, copied, render


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Each overlay as it would be applied."""
    folder = copied(tmp_path_factory.mktemp("manifests"))
    return {name: render(folder / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, rendered: dict[str, list[Manifest]]) -> list[Manifest]:
    return rendered[request.param]
