from __future__ import annotations

from pathlib import Path

import pytest

from deploy.docker.options import Choice, Options, choose, parse_scale, wanted_scale
from shared.errors import ConfigurationError


def chosen(options: Options | None = None, too_little_memory: bool = False, **settings: str) -> Choice:
    return choose(options or Options(), settings, too_little_memory=too_little_memory)


def test_the_default_is_everything_with_ollama() -> None:
    choice = chosen()
    assert (choice.profiles, choice.llm, choice.ollama) == (("observability", "ollama"), "ollama", "ollama")
    assert choice.compose_profiles("wikimedia") == "observability,ollama"


def test_the_replay_server_runs_where_it_is_the_source() -> None:
    assert chosen().compose_profiles("replay") == "observability,ollama,replay"


def test_too_little_memory_makes_it_small_and_says_so() -> None:
    choice = chosen(too_little_memory=True)
    assert (choice.profiles, choice.llm, choice.ollama) == (("lite",), "llamacpp", None)
    assert "too little memory" in choice.why
    assert choice.compose_profiles("wikimedia") == ""


@pytest.mark.parametrize("given", [{"LLM": "ollama"}, {"COMPOSE_PROFILES": "observability,ollama"}])
def test_what_was_asked_for_is_not_made_smaller(given: dict[str, str]) -> None:
    assert "ollama" in chosen(too_little_memory=True, **given).profiles


def test_another_model_needs_no_ollama() -> None:
    assert chosen(LLM="extractive").profiles == ("observability",)
    assert chosen(Options(llm="openai"), LLM="ollama") == chosen(LLM="openai")


def test_a_gpu_is_another_ollama() -> None:
    choice = chosen(Options(profiles=("ollama", "gpu", "observability")))
    assert choice.ollama == "ollama-gpu"
    assert choice.compose_profiles(None) == "gpu,observability"


def test_the_command_line_wins_over_dotenv_and_an_empty_value_means_no_profile() -> None:
    assert chosen(Options(profiles=("lite",)), COMPOSE_PROFILES="ollama").profiles == ("lite",)
    assert chosen(COMPOSE_PROFILES="", LLM="llamacpp").profiles == ()
    assert chosen(COMPOSE_PROFILES=" observability , replay ").profiles == ("observability",)


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        (
            Options(profiles=("big",)),
            {},
            "--profile 'big' is unknown; allowed: observability ollama gpu lite",
        ),
        (Options(), {"COMPOSE_PROFILES": "big"}, "COMPOSE_PROFILES= 'big' is unknown"),
        (Options(profiles=("lite", "ollama")), {}, "lite runs without Ollama"),
        (Options(profiles=("observability",), llm="ollama"), {}, "LLM=ollama needs --profile ollama"),
    ],
)
def test_contradictions_are_refused(options: Options, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chosen(options, **settings)


def test_a_second_start_repeats_what_was_said_at_the_first() -> None:
    first = Options(("lite",), "replay", None, {"processor": 3}, (Path("/a.yml"),), build=True)
    again = Options(scale={"api": 2}).over(first.remembered())
    assert again == Options(("lite",), "replay", None, {"processor": 3, "api": 2}, (Path("/a.yml"),))
    assert wanted_scale(again) == {"processor": 3, "api": 2}


def test_scales_are_numbers_of_what_can_be_scaled() -> None:
    assert parse_scale(["processor=3", "api=2", "processor=4"]) == {"processor": 4, "api": 2}


@pytest.mark.parametrize("text", ["redis=2", "processor", "api=0", "api=1000", "api=-1", "processor=²"])
def test_other_scales_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--scale"):
        parse_scale([text])
