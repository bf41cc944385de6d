"""What runs on the host needs nothing installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docker.engine import EngineFacts, NoContainers, find_engine, version_tuple
from deploy.docker.preflight import disk_needed, engine_problems, override_problems
from deploy.paths import ROOT
from deploy.running import choose_mode, modes_with_data, running_mode
from shared.errors import ConfigurationError

ENGINE = EngineFacts("28.0.1", 8 * 1024**3, 4, "linux", "/var/lib/docker", "Linux")


@pytest.mark.parametrize(
    "module", ["deploy.docker.__main__", "deploy.running", "deploy.smoke.__main__", "deploy.docker.smoke"]
)
def test_it_runs_without_any_package(module: str) -> None:
    """-S leaves out site-packages, -E what the environment adds."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {module}"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy/docker/inside").glob("*.py")), ids=lambda path: path.stem
)
def test_what_runs_inside_is_one_file(path: Path) -> None:
    """It is handed to ``python -``: deploy is not in the images."""
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in imported if name.split(".")[0] == "deploy"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("v2.24.1-desktop.1", (2, 24, 1)),
        ("5.6", (5, 6, 0)),
        ("dev", (0, 0, 0)),
    ],
)
def test_versions_are_compared_by_their_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert version_tuple(text) == expected


def test_an_old_engine_and_one_for_windows_are_refused() -> None:
    assert engine_problems(ENGINE) == []
    old = EngineFacts("19.3.8", 1, 1, "windows", "", "")
    first, second = engine_problems(old)
    assert "20.10.0 or newer" in first
    assert "Linux containers" in second


def test_the_disk_that_is_needed_depends_on_what_is_missing() -> None:
    nothing = disk_needed({}, build=False)
    assert disk_needed({"redis": "redis:8"}, build=False) > nothing
    assert disk_needed({"ollama": "o"}, build=False) > disk_needed({"redis": "r"}, build=False)
    assert disk_needed({}, build=True) > nothing


def test_an_override_file_must_be_there(tmp_path: Path) -> None:
    assert override_problems([tmp_path / "x.yml"]) == [
        f"--override {tmp_path / 'x.yml'}: there is no such file"
    ]


def test_what_runs_and_what_has_data_is_told_apart(tmp_path: Path) -> None:
    assert (running_mode(tmp_path), modes_with_data(tmp_path)) == (None, [])
    (tmp_path / "run").mkdir()
    (tmp_path / "docker").mkdir()
    assert (running_mode(tmp_path), modes_with_data(tmp_path)) == (None, ["docker", "local"])


def test_a_file_that_a_crash_left_is_no_running_stack(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/stack.json").write_text('{"mode": "local"}')
    (tmp_path / "run/supervisord.pid").write_text("999999999")
    assert running_mode(tmp_path) is None


def test_a_stack_that_runs_decides_and_the_other_mode_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.running.running_mode", lambda _folder: "docker")
    assert choose_mode("auto", tmp_path)[0] == "docker"
    assert choose_mode("docker", tmp_path)[0] == "docker"
    with pytest.raises(ConfigurationError, match="--local: a stack runs in docker mode"):
        choose_mode("local", tmp_path)


def test_without_an_engine_it_is_local_mode_and_the_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    mode, why = choose_mode("auto", tmp_path)
    assert mode == "local"
    assert why == "no program docker is on the PATH"


@pytest.mark.parametrize(
    ("said", "reason", "cure"),
    [
        ("Cannot connect", "no Docker engine answers (Cannot connect)", "start it"),
        (
            "Permission denied",
            "this user may not talk to the Docker engine (Permission denied)",
            "join the group docker",
        ),
    ],
    ids=["away", "forbidden"],
)
def test_an_engine_that_does_not_answer_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, reason: str, cure: str
) -> None:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert choose_mode("auto", tmp_path / "data") == ("local", reason)
    with pytest.raises(NoContainers) as refused:
        find_engine()
    assert str(refused.value).startswith(f"{reason}: {cure}")
    assert str(refused.value).endswith(", or use ./start.sh --local")
