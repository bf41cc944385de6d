from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.producer.settings import ProducerSettings, since_milliseconds
from shared.durations import parse_duration
from shared.errors import ConfigurationError
from shared.settings import load_settings

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    for name in ProducerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults_aim_at_useful_answers() -> None:
    settings = load_settings(ProducerSettings)
    assert settings.source == "auto"
    assert settings.wikimedia_streams == ("mediawiki.page_change.v1",)
    assert settings.wikimedia_wikis is None
    assert settings.namespaces == {0}
    assert not settings.wikimedia_include_bots
    assert settings.enrich == "extract"
    assert settings.source_rewind == timedelta(seconds=5)


def test_the_default_user_agent_has_the_form_that_wikimedia_asks_for() -> None:
    agent = load_settings(ProducerSettings).wikimedia_user_agent
    assert agent.startswith("live-rag/")
    assert "(https://" in agent
    assert "httpx/" in agent


@pytest.mark.parametrize("everything", ["", "*"])
def test_empty_and_star_mean_all(monkeypatch: pytest.MonkeyPatch, everything: str) -> None:
    monkeypatch.setenv("WIKIMEDIA_WIKIS", everything)
    monkeypatch.setenv("WIKIMEDIA_NAMESPACES", everything)
    settings = load_settings(ProducerSettings)
    assert settings.wikimedia_wikis == ()
    assert settings.namespaces == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE", "kafka"),
        ("SOURCE_SINCE", "yesterday"),
        ("SOURCE_SINCE", "2026-11-22T09:30:00"),
        ("SOURCE_REWIND", "5"),
        ("SOURCE_REWIND", "-5s"),
        ("WIKIMEDIA_URL", "stream.wikimedia.org"),
        ("WIKIMEDIA_URL", "ftp://stream.wikimedia.org"),
        ("WIKIMEDIA_URL", "http://ä$%"),
        ("REPLAY_URL", "http://127.0.0.1:port"),
        ("WIKIMEDIA_STREAMS", "mediawiki.revision-create"),
        ("WIKIMEDIA_STREAMS", "*"),
        ("WIKIMEDIA_NAMESPACES", "main"),
        ("WIKIMEDIA_INCLUDE_BOTS", "perhaps"),
        ("WIKIMEDIA_USER_AGENT", "agent\r\nX-Injected: 1"),
        ("WIKIMEDIA_USER_AGENT", ""),
        ("ENRICH", "html"),
        ("ENRICH_RATE", "0"),
        ("ENRICH_MAX_CHARS", "10"),
        ("METRICS_PORT", "99999"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings(ProducerSettings)
    assert str(error.value).startswith(f"{name}=")
    assert len(str(error.value).splitlines()) == len(value.splitlines() or [""])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta(0)),
        ("500ms", timedelta(milliseconds=500)),
        ("5s", timedelta(seconds=5)),
        ("1.5m", timedelta(seconds=90)),
        ("2h", timedelta(hours=2)),
        (" 7d ", timedelta(days=7)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "5 weeks", "-1s", "1e3s", "999999999d", "nan s", "٥s" * 2])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|ten years"):
        parse_duration(text)


def test_since_takes_a_time_epoch_milliseconds_or_a_duration_back() -> None:
    assert since_milliseconds("2026-11-22T09:30:00Z", NOW) == 1795339800000
    assert since_milliseconds("1795339800000", NOW) == 1795339800000
    assert since_milliseconds("1h", NOW) == 1795339800000 - 3_600_000
    assert since_milliseconds("0", NOW) == 0
