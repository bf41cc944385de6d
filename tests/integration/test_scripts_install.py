"""How the scripts find Python and make ``.venv``, in a folder with a space in its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.configuration import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "lib.sh", root / "deploy")
    return root


def _run(checkout: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``command`` after sourcing the library."""
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; . deploy/lib.sh; {command}"],
        cwd=checkout,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_python_may_be_named_by_a_path_with_spaces(checkout: Path) -> None:
    python = checkout / "python3"
    python.symlink_to(sys.executable)
    result = _run(checkout, "find_python", PYTHON=str(python))
    assert (result.returncode, result.stdout) == (0, f"{python}\n"), result.stderr


def test_a_python_that_is_not_there_is_named(checkout: Path) -> None:
    result = _run(checkout, "find_python", PYTHON="/no such/python3")
    assert result.returncode == 1
    assert "found none as PYTHON=/no such/python3" in result.stderr


def test_an_environment_without_pip_is_made_again(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    result = _run(checkout, "create_venv", PYTHON=sys.executable)
    assert result.returncode == 0, result.stderr
    subprocess.run([python, "-c", "import pip"], check=True)
