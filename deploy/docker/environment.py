"""The generated settings of the stack: ``stack.env``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.docker.options import Choice

JAEGER_OTLP = "http://jaeger:4318"

_HEADER = "# Made by start.sh at each start; settings of your own belong into .env.\n"

_NEED_NETWORK = ("openai",)


def stack_variables(
    choice: Choice, source: str | None, settings: Mapping[str, str], folder: Path, owner: tuple[int, int]
) -> dict[str, str]:
    """What ``docker-compose.yml`` reads beside the user's own settings.

    ``source``: ``replay``, ``wikimedia``, or ``None`` while it is not decided; ``folder``: where secrets lie;
    ``owner``: the uid and gid that our containers run as.
    """
    variables = {
        "STACK_UID": str(owner[0]),
        "STACK_GID": str(owner[1]),
        "STACK_DIR": folder.as_posix(),
        "LLM": choice.llm,
        "COMPOSE_PROFILES": choice.compose_profiles(source),
        "EXTRAS": extras(choice.llm, settings),
        "API_OFFLINE": "false" if needs_network(choice.llm, settings) else "true",
    }
    if source is not None:
        variables["SOURCE"] = source
    if "observability" in choice.profiles and not settings.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = JAEGER_OTLP
    return variables


def extras(llm: str, settings: Mapping[str, str]) -> str:
    """The optional packages that the settings need in the images, comma-separated."""
    found = []
    backend = settings.get("EMBEDDER_BACKEND")
    if backend in ("onnx", "torch") and settings.get("EMBEDDER") != "hashing":
        found.append(backend)
    if llm == "huggingface":
        found.append("huggingface")
    chosen = (name for name in ("RERANKER", "READER") if settings.get(name, "none") != "none")
    if any(settings.get(f"{name}_MODEL") for name in chosen):
        found.append("hub")
    return ",".join(found)


def needs_network(llm: str, settings: Mapping[str, str]) -> bool:
    """Whether the api or a processor must reach beyond the stack."""
    return llm in _NEED_NETWORK or settings.get("HF_HUB_OFFLINE") == "0"


def env_text(variables: Mapping[str, str]) -> str:
    """In the form that Compose reads; single quotes keep a ``$`` what it is."""
    return _HEADER + "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items())


def _quoted(value: str) -> str:
    if value and all(character.isalnum() or character in "-_./:,@+~" for character in value):
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
