"""What a user asked ``start.sh --docker`` for, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError

PROFILES = ("observability", "ollama", "gpu", "lite")
"""Those that a user chooses; ``replay`` follows from the source."""

SCALABLE = ("processor", "api")

_OLLAMA = ("ollama", "gpu")


@dataclass(frozen=True)
class Options:
    """``None`` and empty: not said on the command line."""

    profiles: tuple[str, ...] = ()
    source: str | None = None
    llm: str | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    overrides: tuple[Path, ...] = ()
    build: bool = False
    show_credentials: bool = False

    def over(self, earlier: Mapping[str, Any]) -> Options:
        """What was not said now is as it was said when the running stack was started."""
        return Options(
            profiles=self.profiles or tuple(earlier.get("profiles", ())),
            source=self.source or earlier.get("source"),
            llm=self.llm or earlier.get("llm"),
            scale={**earlier.get("scale", {}), **self.scale},
            overrides=self.overrides or tuple(Path(path) for path in earlier.get("overrides", ())),
            build=self.build,
            show_credentials=self.show_credentials,
        )

    def remembered(self) -> dict[str, Any]:
        """The form in which ``over`` takes them back."""
        return {
            "profiles": list(self.profiles),
            "source": self.source,
            "llm": self.llm,
            "scale": dict(self.scale),
            "overrides": [path.as_posix() for path in self.overrides],
        }


def parse_scale(texts: Iterable[str]) -> dict[str, int]:
    """``["processor=3"]`` → ``{"processor": 3}``.

    :raises ConfigurationError: not a service that can be scaled, or not a number from 1 to 999."""
    found = {}
    for text in texts:
        service, _, number = text.partition("=")
        if service not in SCALABLE:
            raise ConfigurationError(f"--scale '{text}' is unknown; allowed: processor=N api=N")
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 999:
            raise ConfigurationError(f"--scale {text}: a number from 1 to 999 is needed")
        found[service] = int(number)
    return found


@dataclass(frozen=True)
class Choice:
    """What will run. ``profiles`` as the user calls them, ``why`` says where they come from; ``llm`` is the
    setting ``LLM`` of the api."""

    profiles: tuple[str, ...]
    llm: str
    why: str

    @property
    def lite(self) -> bool:
        return "lite" in self.profiles

    @property
    def ollama(self) -> str | None:
        """The service that runs Ollama."""
        return {"gpu": "ollama-gpu", "ollama": "ollama"}.get(
            next((name for name in reversed(PROFILES) if name in self.profiles and name in _OLLAMA), "")
        )

    def compose_profiles(self, source: str | None) -> str:
        """The value of ``COMPOSE_PROFILES``; ``lite`` is a file of settings, not a profile of Compose."""
        names = [name for name in self.profiles if name != "lite"]
        return ",".join([*names, "replay"] if source == "replay" else names)


def choose(options: Options, settings: Mapping[str, str], *, too_little_memory: bool) -> Choice:
    """The command line, over ``settings`` (environment and ``.env``), over the defaults.

    :raises ConfigurationError: profiles that are unknown, or that contradict each other or ``LLM``."""
    llm = options.llm or settings.get("LLM") or None
    asked, why = _asked_profiles(options, settings)
    if asked is None:
        profiles, why = _default_profiles(llm, too_little_memory=too_little_memory)
    else:
        profiles = asked
    if "gpu" in profiles:
        profiles = tuple(name for name in profiles if name != "ollama")
    if llm is None:
        llm = "ollama" if any(name in profiles for name in _OLLAMA) else "llamacpp"
    _check(profiles, llm, why)
    return Choice(profiles, llm, why)


def _asked_profiles(options: Options, settings: Mapping[str, str]) -> tuple[tuple[str, ...] | None, str]:
    if options.profiles:
        return _known(options.profiles, "--profile"), "--profile"
    if "COMPOSE_PROFILES" in settings:
        names = [name.strip() for name in settings["COMPOSE_PROFILES"].split(",") if name.strip()]
        return _known([name for name in names if name != "replay"], "COMPOSE_PROFILES="), "COMPOSE_PROFILES"
    return None, ""


def _known(names: Sequence[str], where: str) -> tuple[str, ...]:
    for name in names:
        if name not in PROFILES:
            raise ConfigurationError(f"{where} '{name}' is unknown; allowed: {' '.join(PROFILES)}")
    return tuple(dict.fromkeys(names))


def _default_profiles(llm: str | None, *, too_little_memory: bool) -> tuple[tuple[str, ...], str]:
    if llm not in (None, "ollama"):
        return ("observability",), f"the default without Ollama, as LLM={llm}"
    if too_little_memory and llm is None:
        return ("lite",), "the engine has too little memory for Ollama and the dashboards"
    return ("observability", "ollama"), "the default"


def _check(profiles: Sequence[str], llm: str, why: str) -> None:
    runs_ollama = any(name in profiles for name in _OLLAMA)
    if "lite" in profiles and runs_ollama:
        raise ConfigurationError(f"{why}: lite runs without Ollama; leave out lite, or ollama and gpu")
    if llm == "ollama" and not runs_ollama:
        raise ConfigurationError(
            f"{why}: LLM=ollama needs --profile ollama or --profile gpu; or choose another --llm"
        )


def wanted_scale(options: Options) -> dict[str, int]:
    """How often each service that can be scaled runs."""
    return {service: options.scale.get(service, 1) for service in SCALABLE}
