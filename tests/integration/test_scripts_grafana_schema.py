"""How ``deploy/lib.sh`` comes by Grafana's schema, and goes on without it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.local.configuration import ROOT

SCHEMA = Path("deploy", "dashboards", "schema")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / SCHEMA, root / SCHEMA)
    shutil.copy(ROOT / "deploy" / "lib.sh", root / "deploy")
    (root / ".venv").mkdir()
    return root


def _fetch(checkout: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", "set -euo pipefail; . deploy/lib.sh; fetch_grafana_schema; echo went on"],
        cwd=checkout,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _without_npm(folder: Path) -> str:
    """A ``PATH`` with what the library itself needs."""
    folder.mkdir()
    for name in ("dirname", "basename", "cat", "cksum", "cp", "rm"):
        program = shutil.which(name)
        assert program is not None
        (folder / name).symlink_to(program)
    return str(folder)


def test_without_node_nothing_is_fetched_and_nothing_fails(checkout: Path, tmp_path: Path) -> None:
    result = _fetch(checkout, _without_npm(tmp_path / "bin"))
    assert (result.returncode, result.stdout) == (0, "went on\n"), result.stderr
    assert not (checkout / ".venv" / "grafana-schema").exists()


def test_a_failure_leaves_nothing_behind_and_says_where_to_look(checkout: Path, tmp_path: Path) -> None:
    path = _without_npm(tmp_path / "bin")
    npm = tmp_path / "bin" / "npm"
    npm.write_text("#!/bin/bash\necho no network >&2\nexit 1\n")
    npm.chmod(0o755)
    result = _fetch(checkout, path)
    assert result.returncode == 0, result.stderr
    assert "failed, so its tests will be skipped; why is in .venv/grafana-schema.log" in result.stdout
    assert "no network" in (checkout / ".venv" / "grafana-schema.log").read_text()
    assert not (checkout / ".venv" / "grafana-schema").exists()


def test_the_lock_file_pins_by_hash_and_names_no_registry() -> None:
    lock = (ROOT / SCHEMA / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
