"""Settings that several services read, from the environment and ``.env``.

A wrong value stops the process at start with one line that names the variable, the value and what is
allowed. Each service's own settings stand beside its code.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import ConfigurationError

EnvironmentList = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated variable; validate with ``split_list``."""


def split_list(value: object) -> object:
    """``"a, b"`` → ``("a", "b")``; an empty value or ``*`` → ``()``, which means all."""
    if not isinstance(value, str):
        return value
    items = tuple(item.strip() for item in value.split(",") if item.strip())
    return () if items == ("*",) else items


class EnvironmentSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load_settings(cls: type[AnySettings]) -> AnySettings:
    """:raises ConfigurationError: one line for each wrong variable."""
    try:
        return cls()
    except ValidationError as error:
        lines = [
            f"{_variable(cls, problem['loc'])}={_shorten(problem.get('input'))}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(lines)) from None


def settings_problems(classes: Iterable[type[BaseSettings]]) -> list[str]:
    """A line for each wrong variable; one that several classes read is named once."""
    lines: dict[str, None] = {}
    for cls in classes:
        try:
            load_settings(cls)
        except ConfigurationError as error:
            lines.update(dict.fromkeys(str(error).split("; ")))
    return list(lines)


def declared_settings(module: ModuleType) -> list[type[BaseSettings]]:
    """The settings classes that a module declares itself, in its order."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, BaseSettings)
        and item.__module__ == module.__name__
        and item.model_fields
    ]


def _variable(cls: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in location)
    has_own_name = any(name == field.validation_alias for field in cls.model_fields.values())
    return name.upper() if has_own_name else f"{cls.model_config.get('env_prefix', '')}{name}".upper()


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


class KafkaSettings(EnvironmentSettings):
    """The defaults are Apache Kafka's best; local mode overrides what Tansu does differently."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", min_length=1)
    topic: str = Field(default="documents", min_length=1)
    dlq_topic: str = Field(default="documents.dlq", min_length=1, validate_default=True)
    partitions: int = Field(default=4, ge=1, le=1024)
    group_id: str = Field(default="processor", min_length=1)
    group_protocol: Literal["classic", "consumer"] = "classic"
    session_timeout_ms: int = Field(default=45_000, ge=1_000, le=300_000)
    assignment_strategy: Literal["cooperative-sticky", "range", "roundrobin"] = "cooperative-sticky"
    max_message_bytes: int = Field(default=8_388_608, ge=65_536, le=67_108_864)

    @field_validator("dlq_topic")
    @classmethod
    def _another_topic(cls, value: str, info: ValidationInfo) -> str:
        """A dead letter in the topic that is read would be read, and die, for ever."""
        if value == info.data.get("topic"):
            raise ValueError(f"must differ from KAFKA_TOPIC={value}")
        return value


class VectorStoreSettings(EnvironmentSettings):
    vector_store: Literal["faiss", "redis", "memory"] = "faiss"
    faiss_path: Path | None = None
    faiss_index: str = "auto"
    data_dir: Path = Path("./data")
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", pattern=r"^(rediss?|unix)://")
    redis_password_file: Path | None = None
    redis_prefix: str = Field(default="rag", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
    redis_shards: int = Field(default=2, ge=1, le=256)
    redis_quantization: Literal["q8", "none"] = "q8"
    redis_ef: int = Field(default=400, ge=10, le=10_000)
    redis_wait_replicas: int = Field(default=0, ge=0, le=16)
    redis_timeout_seconds: float = Field(default=5.0, gt=0, le=300)

    @property
    def faiss_file(self) -> Path:
        return self.faiss_path or self.data_dir / "store" / "documents.sqlite"


class EmbedderSettings(EnvironmentSettings):
    model_config = SettingsConfigDict(env_prefix="EMBEDDER_")

    kind: Literal["sentence-transformers", "hashing"] = Field(
        default="sentence-transformers", validation_alias="EMBEDDER"
    )
    model: str = "all-MiniLM-L6-v2"
    backend: Literal["openvino", "onnx", "torch"] = "openvino"
    batch_size: int = Field(default=32, ge=1, le=1024)
    threads: int | None = Field(default=None, ge=1, le=256)


class RerankerSettings(EnvironmentSettings):
    """``top``: how many passages are read again, which is what a question waits for."""

    model_config = SettingsConfigDict(env_prefix="RERANKER_", env_ignore_empty=True)

    kind: Literal["none", "cross-encoder"] = Field(default="none", validation_alias="RERANKER")
    model: str | None = None
    top: int = Field(default=20, ge=1, le=200)
    threads: int | None = Field(default=None, ge=1, le=256)


class ReaderSettings(EnvironmentSettings):
    """``top``: how many passages are read, which is what a question waits for. ``threshold``: the odds, as a
    logarithm, against an answer above which a passage counts as having none."""

    model_config = SettingsConfigDict(env_prefix="READER_", env_ignore_empty=True)

    kind: Literal["none", "question-answering"] = Field(default="none", validation_alias="READER")
    model: str | None = None
    threshold: float = Field(default=0.0, allow_inf_nan=False)
    top: int = Field(default=5, ge=1, le=50)
    threads: int | None = Field(default=None, ge=1, le=256)


class LLMSettings(EnvironmentSettings):
    """``max_sentences`` is the most that an answer may have: a small model says nothing of use after the
    first. ``timeout_seconds`` bounds a whole answer, ``silence_seconds`` the wait for its first and for each
    further piece. ``max_concurrent`` answers are written at once (``None``: one in this process, four by a
    server), ``max_queue`` more may wait, each ``queue_seconds`` at most. An attempt that failed before the
    first piece is repeated up to ``retries`` times, as long as that takes no more than ``retry_seconds``.
    After ``breaker_failures`` failures in a row the model is left alone for ``breaker_seconds``."""

    model_config = SettingsConfigDict(env_prefix="LLM_", env_ignore_empty=True)

    kind: Literal["llamacpp", "ollama", "huggingface", "openai", "extractive"] = Field(
        default="llamacpp", validation_alias="LLM"
    )
    model: str | None = None
    """``None`` or empty: the adapter's own default."""
    context_tokens: int = Field(default=2048, ge=512)
    max_sentences: int = Field(default=1, ge=1, le=10)
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    silence_seconds: float = Field(default=30.0, gt=0, le=3600)
    threads: int = Field(default=2, ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    max_concurrent: int | None = Field(default=None, ge=1, le=1024)
    max_queue: int = Field(default=16, ge=0, le=10_000)
    queue_seconds: float = Field(default=10.0, ge=0, le=3600)
    retries: int = Field(default=2, ge=0, le=10)
    retry_seconds: float = Field(default=5.0, ge=0, le=600)
    breaker_failures: int = Field(default=3, ge=1, le=1000)
    breaker_seconds: float = Field(default=10.0, gt=0, le=3600)
    ollama_url: str = Field(
        default="http://127.0.0.1:11434", pattern=r"^https?://[^/]", validation_alias="OLLAMA_URL"
    )
    ollama_keep_alive: str = Field(
        default="-1", pattern=r"^-?\d+(\.\d+)?(ms|s|m|h)?$", validation_alias="OLLAMA_KEEP_ALIVE"
    )
    ollama_pull: bool = Field(default=True, validation_alias="OLLAMA_PULL")
    openai_base_url: str | None = Field(
        default=None, pattern=r"^https?://[^/]", validation_alias="OPENAI_BASE_URL"
    )
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_api_key_file: Path | None = Field(default=None, validation_alias="OPENAI_API_KEY_FILE")


class ObservabilitySettings(EnvironmentSettings):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"


class TracingSettings(EnvironmentSettings):
    """The names and meanings of the OpenTelemetry specification; times in milliseconds.

    Spans are exported where an endpoint is set. Without one, and with ``sdk_disabled``, there are trace ids
    in responses, headers and logs, and nothing else."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True)

    exporter_otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/]")
    exporter_otlp_traces_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/]")
    exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    exporter_otlp_headers: SecretStr | None = None
    exporter_otlp_timeout: int = Field(default=10_000, ge=1, le=600_000)
    exporter_otlp_compression: Literal["none", "gzip", "deflate"] = "none"
    exporter_otlp_certificate: Path | None = None
    exporter_otlp_client_key: Path | None = None
    exporter_otlp_client_certificate: Path | None = None
    traces_exporter: Literal["otlp", "none"] = "otlp"
    traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = "parentbased_always_on"
    traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    service_name: str | None = None
    resource_attributes: str = Field(default="", pattern=r"^(\s*[^=,\s]+\s*=[^,]*(,|$))*$")
    sdk_disabled: bool = False
    bsp_schedule_delay: int = Field(default=5_000, ge=1, le=600_000)
    bsp_max_queue_size: int = Field(default=2_048, ge=1, le=1_000_000)
    bsp_max_export_batch_size: int = Field(default=512, ge=1, le=1_000_000, validate_default=True)
    instrumentation_genai_capture_message_content: bool = False
    """Put questions, prompts, answers and document texts on spans."""

    @field_validator("bsp_max_export_batch_size")
    @classmethod
    def _fits_the_queue(cls, value: int, info: ValidationInfo) -> int:
        room = info.data.get("bsp_max_queue_size", value)
        if value > room:
            raise ValueError(f"must be at most OTEL_BSP_MAX_QUEUE_SIZE={room}")
        return value

    @property
    def traces_url(self) -> str | None:
        """Where spans are posted; ``None``: nowhere."""
        if self.sdk_disabled or self.traces_exporter == "none":
            return None
        if self.exporter_otlp_traces_endpoint:
            return self.exporter_otlp_traces_endpoint
        base = self.exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else None
