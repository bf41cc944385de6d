"""What can be seen to be wrong without asking any server."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.errors import ConfigurationError
from shared.llm.factory import serve_llm
from shared.observability.metrics import LLMMetrics
from shared.ports import LLM
from shared.settings import LLMSettings, load_settings
from tests.support.streams import read_to_end
from tests.unit.shared.llm.scripted import PROMPT


@pytest.fixture(autouse=True)
def _no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _serve() -> LLM:
    failures: list[BaseException] = []
    return serve_llm(
        load_settings(LLMSettings), LLMMetrics(CollectorRegistry()), SystemClock(), failures.append
    )


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LLM": "openai"}, "OPENAI_BASE_URL="),
        ({"LLM": "openai", "OPENAI_BASE_URL": ""}, "OPENAI_BASE_URL="),
        ({"LLM": "openai", "OPENAI_BASE_URL": "localhost:8080"}, "OPENAI_BASE_URL=localhost:8080"),
        (
            {
                "LLM": "openai",
                "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
                "OPENAI_API_KEY": "secret",
                "OPENAI_API_KEY_FILE": "key",
            },
            "OPENAI_API_KEY_FILE=key",
        ),
        (
            {"LLM": "openai", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY_FILE": "absent"},
            "OPENAI_API_KEY_FILE=absent",
        ),
        ({"LLM": "ollama", "OLLAMA_URL": "127.0.0.1:11434"}, "OLLAMA_URL=127.0.0.1:11434"),
        ({"LLM": "ollama", "OLLAMA_KEEP_ALIVE": "for ever"}, "OLLAMA_KEEP_ALIVE=for ever"),
        ({"LLM": "ollama", "OLLAMA_PULL": "maybe"}, "OLLAMA_PULL=maybe"),
        ({"LLM_MODEL": "absent.gguf"}, "LLM_MODEL=absent.gguf"),
        ({"LLM_MAX_CONCURRENT": "0"}, "LLM_MAX_CONCURRENT=0"),
        ({"LLM_SILENCE_SECONDS": "0"}, "LLM_SILENCE_SECONDS=0"),
        ({"LLM": "chatgpt"}, "LLM=chatgpt"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        _serve()
    message = str(caught.value)
    assert message.startswith(named)
    assert "\n" not in message
    assert "secret" not in message


def test_no_model_needs_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM", "extractive")
    assert _serve().name == "extractive"


def test_empty_values_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_MODEL", "LLM_MAX_CONCURRENT", "OPENAI_API_KEY", "OPENAI_API_KEY_FILE"):
        monkeypatch.setenv(name, "")
    settings = load_settings(LLMSettings)
    assert settings.model is None
    assert settings.max_concurrent is None
    assert settings.openai_api_key is None
    assert settings.openai_api_key_file is None


def test_quotes_are_measured_like_a_models_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM", "extractive")
    registry, failures = CollectorRegistry(), list[BaseException]()
    llm = serve_llm(load_settings(LLMSettings), LLMMetrics(registry), SystemClock(), failures.append)
    read_to_end(llm.stream(PROMPT))
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "extractive",
        "gen_ai_request_model": "extractive",
        "error_type": "",
    }
    assert registry.get_sample_value("gen_ai_client_operation_duration_seconds_count", labels) == 1
    llm.close()
