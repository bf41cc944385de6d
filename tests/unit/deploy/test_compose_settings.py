"""Every setting reaches the containers that read it, and none that they must not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from deploy.docker.settings import ContainerSettings
from deploy.local.configuration import ROOT
from deploy.local.settings import LocalStackSettings
from deploy.settings_catalogue import settings_classes, variable_names
from services.api.settings import ApiSettings, RetrievalSettings
from services.processor.settings import ProcessorSettings
from services.producer.settings import ProducerSettings
from services.replay.settings import ReplaySettings
from shared import settings as shared_settings
from shared.settings import (
    EmbedderSettings,
    KafkaSettings,
    ObservabilitySettings,
    TracingSettings,
    VectorStoreSettings,
)
from tests.support.compose_file import OURS, env_file, given, read_compose, services

READ_BY: dict[str, list[type[BaseSettings]]] = {
    "producer": [ProducerSettings, KafkaSettings, ObservabilitySettings, TracingSettings],
    "processor": [
        ProcessorSettings,
        KafkaSettings,
        VectorStoreSettings,
        EmbedderSettings,
        ObservabilitySettings,
        TracingSettings,
    ],
    # Of shared, it reads all.
    "api": [
        ApiSettings,
        RetrievalSettings,
        *(cls for cls in settings_classes() if cls.__module__ == shared_settings.__name__),
    ],
    "replay": [ReplaySettings, ObservabilitySettings],
    "kafka-topics": [KafkaSettings, ObservabilitySettings],
}

NOT_FOR_CONTAINERS = {
    # It would stand in `docker inspect`; its value travels in a file.
    "OPENAI_API_KEY",
    # The same, and nothing carries it in a file: send spans to a collector that adds what its receiver wants.
    "OTEL_EXPORTER_OTLP_HEADERS",
    # Paths on the machine.
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
}

READ_BY_LIBRARIES = {
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "HTTPS_PROXY",
    "NO_PROXY",
    "OMP_WAIT_POLICY",
    "TOKENIZERS_PARALLELISM",
}

FIXED: dict[str, dict[str, str]] = {
    "producer": {
        "DATA_DIR": "/data",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "METRICS_HOST": "0.0.0.0",
        "METRICS_PORT": "9101",
        "REPLAY_URL": "http://replay:8090",
    },
    "processor": {
        "DATA_DIR": "/data",
        "FAISS_PATH": "/data/documents.sqlite",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "METRICS_HOST": "0.0.0.0",
        "METRICS_PORT": "9102",
        "REDIS_PASSWORD_FILE": "/run/secrets/redis_password",
        "REDIS_PREFIX": "rag",
        "REDIS_URL": "redis://rag@redis:6379/0",
    },
    "api": {
        "API_HOST": "0.0.0.0",
        "API_KEYS_FILE": "/run/secrets/api_keys",
        "API_PORT": "8000",
        "DATA_DIR": "/state",
        "FAISS_PATH": "/data/documents.sqlite",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "OLLAMA_URL": "http://ollama:11434",
        "OPENAI_API_KEY_FILE": "/run/secrets/openai_api_key",
        "REDIS_PASSWORD_FILE": "/run/secrets/redis_password",
        "REDIS_PREFIX": "rag",
        "REDIS_URL": "redis://rag@redis:6379/0",
    },
    "replay": {"REPLAY_HOST": "0.0.0.0", "REPLAY_PORT": "8090"},
    "kafka-topics": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"},
}

OTHERWISE_IN_CONTAINERS = {
    "EMBEDDER_THREADS": {"api"},
    "KAFKA_GROUP_PROTOCOL": {"api", "kafka-topics", "processor", "producer"},
    "READER_THREADS": {"api"},
    "REPLAY_PUBLIC_URL": {"producer", "replay"},
    "RERANKER_THREADS": {"api"},
    "VECTOR_STORE": {"api", "processor"},
}
"""What has another default than ``.env.example`` says, and where."""

READ_BY_COMPOSE = {
    *variable_names(ContainerSettings),
    *("API_HOST", "API_PORT", "PROMETHEUS_PORT", "API_KEYS_FILE", "OPENAI_API_KEY_FILE"),
}

DOCUMENTED = dict(
    re.findall(r"^#([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
)

SERVICES = services()
our_service = pytest.mark.parametrize("name", READ_BY)


def variables_of(name: str) -> set[str]:
    return {variable for cls in READ_BY[name] for variable in variable_names(cls)}


def test_all_of_ours_are_covered() -> None:
    ours = {name for name, service in SERVICES.items() if service["image"].startswith("live-rag/")}
    assert ours == set(READ_BY) == set(OURS)


@our_service
def test_it_is_given_what_it_reads_and_nothing_else(name: str) -> None:
    """A name with a typing error is neither."""
    passed = set(SERVICES[name]["environment"])
    assert passed - READ_BY_LIBRARIES == variables_of(name) - NOT_FOR_CONTAINERS


@our_service
def test_its_settings_accept_what_the_file_gives(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_all(name, given(SERVICES[name]), monkeypatch, tmp_path)


@our_service
def test_its_settings_accept_what_an_untouched_copy_of_the_example_gives(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With every line in force: those without a value, which mean "not set", left out."""
    everything = {variable: value for variable, value in DOCUMENTED.items() if value}
    load_all(name, given(services(environment=everything)[name]), monkeypatch, tmp_path)


@our_service
def test_a_changed_setting_arrives(name: str) -> None:
    """In this service, unless containers need another value."""
    changed = {variable: f"changed-{variable}" for variable in DOCUMENTED if variable not in READ_BY_COMPOSE}
    environment = given(services(environment=changed)[name])
    for variable in variables_of(name) - NOT_FOR_CONTAINERS - set(FIXED[name]):
        assert environment[variable] == f"changed-{variable}", variable


@our_service
def test_what_containers_need_is_not_changed_by_a_dotenv_for_local_mode(name: str) -> None:
    changed = {variable: f"changed-{variable}" for variable in DOCUMENTED if variable not in READ_BY_COMPOSE}
    environment = given(services(environment={**changed, "API_HOST": "::1", "API_PORT": "7000"})[name])
    assert {variable: environment[variable] for variable in FIXED[name]} == FIXED[name]


@our_service
def test_where_containers_have_another_default_that_is_known(name: str) -> None:
    otherwise = {variable for variable, where in OTHERWISE_IN_CONTAINERS.items() if name in where}
    assert set(given(SERVICES[name])) - READ_BY_LIBRARIES == set(FIXED[name]) | otherwise


def test_every_documented_setting_is_read_by_a_container_or_by_compose_or_by_local_mode_alone() -> None:
    reached = {variable for name in READ_BY for variable in SERVICES[name]["environment"]}
    only_local = set(variable_names(LocalStackSettings)) - READ_BY_COMPOSE
    assert set(DOCUMENTED) == {
        variable
        for variable in DOCUMENTED
        if variable in reached | READ_BY_COMPOSE | NOT_FOR_CONTAINERS | only_local
    }


def test_the_documented_defaults_are_those_of_the_file() -> None:
    said = {variable: DOCUMENTED[variable] for variable in variable_names(ContainerSettings)}
    assert read_compose(environment=said) == read_compose()


OTHER_VALUES = {
    "GRAFANA_PORT": "7001",
    "JAEGER_PORT": "7002",
    "FILES_DIR": "/elsewhere",
    "LIVE_RAG_VERSION": "9.9.9",
    "TORCH_INDEX_URL": "http://torch.example",
    "KAFKA_LOG_RETENTION_HOURS": "7",
    "KAFKA_LOG_RETENTION_BYTES": "7777777",
}


@pytest.mark.parametrize("variable", variable_names(ContainerSettings))
def test_a_setting_of_the_containers_changes_something(variable: str) -> None:
    value = OTHER_VALUES.get(variable, "77m")
    ContainerSettings(_env_file=None, **{variable.lower(): value})  # type: ignore[call-arg]
    assert read_compose(environment={variable: value}) != read_compose()


@pytest.mark.parametrize("value", ["1GB", "0g", "512", "1.5g", "lots", "-1m", "2g "])
def test_a_wrong_limit_is_refused_before_compose_sees_it(value: str) -> None:
    with pytest.raises(ValueError, match="api_memory"):
        ContainerSettings(_env_file=None, api_memory=value)  # type: ignore[call-arg]


def test_the_small_stack_sets_only_what_there_is() -> None:
    small = env_file(ROOT / "deploy" / "docker" / "lite.env")
    assert set(small) <= set(DOCUMENTED)
    mine = {name.lower(): value for name, value in small.items() if name in variable_names(ContainerSettings)}
    ContainerSettings(_env_file=None, **mine)  # type: ignore[call-arg]
    found = services(environment=small)
    assert given(found["api"])["LLM"] == "llamacpp"
    assert given(found["processor"])["MAX_CHUNKS"] == small["MAX_CHUNKS"]


@our_service
def test_traces_go_nowhere_until_there_is_somebody_to_take_them(name: str) -> None:
    assert not any(variable.startswith("OTEL_") for variable in given(SERVICES[name]))
    if name in ("producer", "processor", "api"):
        where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}
        assert given(services(environment=where)[name]).items() >= where.items()


def test_ollama_takes_a_whole_prompt_and_keeps_its_model() -> None:
    environment = given(SERVICES["ollama"])
    assert environment["OLLAMA_CONTEXT_LENGTH"] == "4096"
    assert environment["OLLAMA_KEEP_ALIVE"] == "-1"
    assert environment["OLLAMA_NO_CLOUD"] == "1"
    changed = given(services(environment={"LLM_CONTEXT_TOKENS": "8192"})["ollama-gpu"])
    assert changed["OLLAMA_CONTEXT_LENGTH"] == "8192"


def load_all(name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)  # no .env here
    for variable in DOCUMENTED:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    loaded: list[Any] = [cls() for cls in READ_BY[name]]
    assert loaded
