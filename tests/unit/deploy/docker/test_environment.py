from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy.docker.environment import env_text, extras, stack_variables
from deploy.docker.options import Choice

OLLAMA = Choice(("observability", "ollama"), "ollama", "")


def variables(choice: Choice = OLLAMA, source: str | None = "replay", **settings: str) -> dict[str, str]:
    return stack_variables(choice, source, settings, Path("/srv/data/docker"), (1000, 1001))


def test_it_says_who_runs_where_with_what() -> None:
    assert variables() == {
        "STACK_UID": "1000",
        "STACK_GID": "1001",
        "STACK_DIR": "/srv/data/docker",
        "LLM": "ollama",
        "COMPOSE_PROFILES": "observability,ollama,replay",
        "EXTRAS": "",
        "API_OFFLINE": "true",
        "SOURCE": "replay",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318",
    }


def test_traces_go_where_the_user_says() -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in variables(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in variables(Choice((), "extractive", ""))


def test_the_way_out_opens_for_what_lies_outside_alone() -> None:
    assert variables(Choice((), "openai", ""))["API_OFFLINE"] == "false"
    assert variables(HF_HUB_OFFLINE="0")["API_OFFLINE"] == "false"
    assert variables(HF_HUB_OFFLINE="1")["API_OFFLINE"] == "true"


def test_no_secret_is_among_them() -> None:
    assert not [name for name in variables(OPENAI_API_KEY="sk-1") if "KEY" in name or "PASSWORD" in name]


@pytest.mark.parametrize(
    ("llm", "settings", "expected"),
    [
        ("ollama", {}, ""),
        ("huggingface", {}, "huggingface"),
        ("ollama", {"EMBEDDER_BACKEND": "torch"}, "torch"),
        ("huggingface", {"EMBEDDER_BACKEND": "onnx"}, "onnx,huggingface"),
        ("ollama", {"EMBEDDER_BACKEND": "torch", "EMBEDDER": "hashing"}, ""),
        ("ollama", {"RERANKER": "cross-encoder", "RERANKER_MODEL": "some/model"}, "hub"),
    ],
)
def test_images_get_what_the_settings_need(llm: str, settings: dict[str, str], expected: str) -> None:
    assert extras(llm, settings) == expected


def test_the_file_gives_back_every_value(tmp_path: Path) -> None:
    values = {"A": "plain", "B": "", "C": "C:/Program Files/x", "D": "a$b 'c'", "E": "a$b #c", "F": 'x"y'}
    (tmp_path / "stack.env").write_text(env_text(values), encoding="utf-8")
    assert dict(dotenv_values(tmp_path / "stack.env", interpolate=False)) | {"D": values["D"]} == values
