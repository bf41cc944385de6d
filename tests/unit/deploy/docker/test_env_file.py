from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy.env_file import data_dir, parse_env, read_env_file, read_settings
from deploy.paths import ROOT

LINES = [
    "PLAIN=one",
    "  SPACED = two words ",
    "export EXPORTED=yes",
    "EMPTY=",
    "COMMENTED=value # why",
    "HASH=a#b",
    "ONLY_COMMENT= # nothing",
    "SINGLE='a # b $HOME'",
    'DOUBLE="a # b"  # why',
    'ESCAPED="line\\nnext \\"quoted\\""',
    "#OFF=1",
    "URL=http://example.org/?a=b",
    "AGAIN=first",
    "AGAIN=second",
]


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_it_reads_what_the_services_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(ending.join([*LINES, ""]).encode())
    assert read_env_file(path) == dict(dotenv_values(path, interpolate=False))


def test_the_line_endings_of_windows_are_no_part_of_a_value() -> None:
    assert parse_env("\ufeffAPI_PORT=8001\r\nLLM=extractive\r\n") == {"API_PORT": "8001", "LLM": "extractive"}


def test_what_is_no_setting_is_passed_over() -> None:
    assert parse_env("nonsense\n=x\n1A=2\n\nA=1") == {"A": "1"}


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.env_file.ROOT", tmp_path)
    (tmp_path / ".env").write_text("LLM=ollama\nSOURCE=replay\n")
    assert read_settings({"LLM": "openai"}) == {"LLM": "openai", "SOURCE": "replay"}


def test_the_data_folder_is_relative_to_the_project() -> None:
    assert data_dir({}) == ROOT / "data"
    assert data_dir({"DATA_DIR": ""}) == ROOT / "data"
    assert data_dir({"DATA_DIR": "elsewhere"}) == ROOT / "elsewhere"
    assert data_dir({"DATA_DIR": "/srv/rag"}) == Path("/srv/rag")
