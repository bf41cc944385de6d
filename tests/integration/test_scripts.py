"""The scripts as a user runs them, as far as that goes without a running stack."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.api_key import ensure_api_key, read_api_key
from deploy.local.configuration import ROOT
from deploy.local.preflight import busy_port_problems, data_dir_problems
from services.producer.settings import ProducerSettings
from services.producer.sources.choice import usable_source
from shared.errors import ConfigurationError
from tests.support.processes import free_port

PORTS = ("API_PORT", "PRODUCER_METRICS_PORT", "PROCESSOR_METRICS_PORT", "REPLAY_PORT")


def run_script(
    name: str, *arguments: str, environment: dict[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / name), *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.fixture
def somewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a stack that collides with no other."""
    ports = {name: str(free_port()) for name in PORTS}
    return {
        **ports,
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "DATA_DIR": str(tmp_path / "data"),
        "SOURCE": "replay",
    }


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("script", ["start.sh", "stop.sh", "logs.sh", "test.sh"])
def test_help_works_from_any_directory(script: str, tmp_path: Path) -> None:
    result = run_script(script, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith(f"Usage: ./{script}")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ["start.sh", "--source", "kafka"],
            "start.sh: --source 'kafka' is unknown; allowed: auto wikimedia replay",
        ),
        (["start.sh", "--store", "disk"], "start.sh: --store 'disk' is unknown; allowed: faiss redis"),
        (
            ["start.sh", "--llm", ""],
            "start.sh: --llm '' is unknown; allowed: llamacpp ollama openai huggingface extractive",
        ),
        (["start.sh", "--llm"], "start.sh: --llm needs a value"),
        (
            ["start.sh", "--fast"],
            "start.sh: unknown option '--fast';"
            " allowed: --local --docker --source --store --llm --scale --with --profile --override --build"
            " --show-credentials --help",
        ),
        (["start.sh", "--with"], "start.sh: --with needs a value"),
        (["start.sh", "--with", "grafana"], "start.sh: --with 'grafana' is unknown; allowed: prometheus"),
        (["start.sh", "--scale"], "start.sh: --scale needs a value"),
        (
            ["start.sh", "--scale", "processor=0"],
            "start.sh: --scale processor=0: a number from 1 to 999 is needed",
        ),
        (
            ["start.sh", "--scale", "processor=2x"],
            "start.sh: --scale processor=2x: a number from 1 to 999 is needed",
        ),
        (
            ["start.sh", "--scale", "api=0"],
            "start.sh: --scale api=0: a number from 1 to 999 is needed",
        ),
        (
            ["start.sh", "--local", "--scale", "api=2"],
            "start.sh: --scale api=2: local mode runs one api, because its port can be bound once",
        ),
        (
            ["start.sh", "--scale", "broker=3"],
            "start.sh: --scale 'broker=3' is unknown; allowed: processor=N api=N",
        ),
        (
            ["start.sh", "--profile", "big"],
            "start.sh: --profile 'big' is unknown; allowed: observability ollama gpu lite",
        ),
        (["start.sh", "--local", "--profile", "lite"], "start.sh: --profile lite is for --docker"),
        (["start.sh", "--local", "--build"], "start.sh: --build is for --docker"),
        (
            ["start.sh", "--override", "not-there.yml"],
            "start.sh: --override not-there.yml: there is no such file",
        ),
        (
            ["start.sh", "--docker", "--with", "prometheus"],
            "start.sh: --with prometheus is for --local; in containers it is part of --profile observability",
        ),
        (["stop.sh", "-9"], "stop.sh: unknown option '-9'; allowed: --clean --yes --help"),
        (["logs.sh", "-n", "ten"], "logs.sh: -n needs a number of lines"),
        (["logs.sh", "--tail"], "logs.sh: unknown option '--tail'; allowed: -f -n --no-follow --help"),
        (
            ["test.sh", "everything"],
            "test.sh: unknown suite 'everything'; allowed:"
            " check unit contract integration e2e compose all soak",
        ),
    ],
)
def test_a_wrong_option_is_one_line_that_names_what_is_allowed(command: list[str], expected: str) -> None:
    result = run_script(*command)
    assert (result.returncode, result.stderr, result.stdout) == (2, f"{expected}\n", "")


def test_a_port_in_use_is_one_line_with_its_user(somewhere: dict[str, str], listener: int) -> None:
    result = run_script("start.sh", "--local", environment={**somewhere, "API_PORT": str(listener)})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"start: port {listener} (api) is in use by pid {os.getpid()} (")
    assert line.endswith("): stop that, or set API_PORT")


def test_a_port_that_scaling_needs_is_one_line(somewhere: dict[str, str], listener: int) -> None:
    environment = {**somewhere, "PROCESSOR_METRICS_PORT": str(listener - 1)}
    result = run_script("start.sh", "--local", "--scale", "processor=2", environment=environment)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if f"port {listener} " in line]
    assert lines[0].startswith(f"start: port {listener} (processor-2) is in use by pid {os.getpid()} (")
    assert lines[0].endswith("): stop that, or set PROCESSOR_METRICS_PORT")


def test_more_processors_than_partitions_is_one_line(somewhere: dict[str, str]) -> None:
    result = run_script("start.sh", "--local", "--scale", "processor=5", environment=somewhere)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("start: --scale processor=5: KAFKA_PARTITIONS=4 feeds at most 4")


def test_a_wrong_setting_is_one_line(somewhere: dict[str, str]) -> None:
    result = run_script("start.sh", "--local", environment={**somewhere, "KAFKA_PARTITIONS": "many"})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("start: KAFKA_PARTITIONS=many: ")


def test_a_refused_start_leaves_no_process(somewhere: dict[str, str], listener: int) -> None:
    run_script("start.sh", "--local", environment={**somewhere, "API_PORT": str(listener)})
    assert "Nothing is running" in run_script("stop.sh", environment=somewhere).stdout


def test_stop_says_when_nothing_runs(somewhere: dict[str, str]) -> None:
    result = run_script("stop.sh", environment=somewhere)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"Nothing is running ({somewhere['DATA_DIR']}).\n"


def test_clean_asks_first(somewhere: dict[str, str], tmp_path: Path) -> None:
    key_file = tmp_path / "data" / "api-keys"
    key_file.parent.mkdir()
    key_file.write_text("key\n")
    result = run_script("stop.sh", "--clean", environment=somewhere)
    assert result.returncode == 1
    assert result.stderr == "stop: --clean removes data: without a terminal to ask on, give --yes too\n"
    assert key_file.exists()


def test_clean_removes_what_the_stack_writes_and_nothing_else(
    somewhere: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for name in ("run/stack.json", "logs/api.log", "store/documents.sqlite", "mine/thesis.txt"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("{}")
    ensure_api_key(data / "api-keys")
    result = run_script("stop.sh", "--clean", "--yes", environment=somewhere)
    assert result.returncode == 0
    assert sorted(path.name for path in data.iterdir()) == ["mine"]
    assert "left mine in" in result.stdout


def test_clean_leaves_a_key_file_that_the_user_made(somewhere: dict[str, str], tmp_path: Path) -> None:
    mine = tmp_path / "my-keys"
    mine.write_text("a-key-of-mine\n")
    environment = {**somewhere, "API_KEYS_FILE": str(mine)}
    assert run_script("stop.sh", "--clean", "--yes", environment=environment).returncode == 0
    assert mine.read_text() == "a-key-of-mine\n"


def test_logs_lists_and_shows(somewhere: dict[str, str], tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    (logs / "api.log").write_text("one\ntwo\nthree\n")
    assert run_script("logs.sh", environment=somewhere).stdout == f"api          {logs / 'api.log'}\n"
    shown = run_script("logs.sh", "api", "-n", "2", "--no-follow", environment=somewhere)
    assert shown.stdout == "two\nthree\n"
    unknown = run_script("logs.sh", "web", environment=somewhere)
    assert (unknown.returncode, unknown.stderr) == (1, "logs: no log of 'web'; there are api\n")


def test_the_logs_of_all_processors_are_shown_together(somewhere: dict[str, str], tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    for name in ("api", "processor", "processor-2"):
        (logs / f"{name}.log").write_text(f"of {name}\n")
    shown = run_script("logs.sh", "processor", "--no-follow", environment=somewhere).stdout
    assert [line for line in shown.splitlines() if line.startswith("of ")] == [
        "of processor",
        "of processor-2",
    ]
    assert run_script("logs.sh", "processor-2", "--no-follow", environment=somewhere).stdout == (
        "of processor-2\n"
    )


def test_the_smoke_test_says_when_no_stack_runs(somewhere: dict[str, str]) -> None:
    result = run_script("test.sh", environment=somewhere)
    assert result.returncode == 1
    assert "no stack is running" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_free_port_is_no_problem() -> None:
    assert busy_port_problems("127.0.0.1", {"api": ("API_PORT", free_port())}) == []


def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (problem,) = data_dir_problems(tmp_path / "file" / "data")
    assert problem == f"DATA_DIR={tmp_path / 'file' / 'data'}: cannot write there (Not a directory)"


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "api-keys"
    key = ensure_api_key(path)
    assert len(key) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert ensure_api_key(path) == key


def test_a_key_file_without_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "api-keys"
    path.write_text("# nothing\n\n")
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_api_key(path)


def test_a_live_stream_that_does_not_answer_is_replaced_and_the_line_says_why() -> None:
    settings = ProducerSettings(source="auto", wikimedia_url=f"http://127.0.0.1:{free_port()}")
    source, why = usable_source(settings)
    assert source == "replay"
    assert "cannot be used" in why
    assert "refused" in why
