from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.api.settings import ApiSettings, check_event_limit
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, load_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "http"),
        ("API_PORT", "70000"),
        ("API_HOST", ""),
        ("API_MAX_BODY_BYTES", "12"),
        ("MAX_EVENT_BYTES", "12"),
        ("API_THREADS", "0"),
        ("API_PUBLISH_TIMEOUT_SECONDS", "-1"),
        ("API_MIN_CONFIDENCE", "1.5"),
        ("API_MIN_CONFIDENCE", "high"),
        ("API_TIMEZONE", "Europe/Berlim"),
        ("API_TIMEZONE", "CEST"),
        ("API_TIMEZONE", "+01:00"),
        ("API_TIMEZONE", ""),
        ("API_TIMEZONE", "../../etc/passwd"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=re.escape(f"{name}={value}: ")):
        load_settings(ApiSettings)


def test_the_keys_file_stands_in_the_data_directory_unless_named() -> None:
    assert ApiSettings(_env_file=None).keys_path(Path("/data")) == Path("/data/api-keys")
    named = ApiSettings(keys_file=Path("/run/secrets/keys"), _env_file=None)
    assert named.keys_path(Path("/data")) == Path("/run/secrets/keys")


def test_what_passes_the_api_must_pass_the_producer() -> None:
    kafka = KafkaSettings(max_message_bytes=1_048_576, _env_file=None)
    check_event_limit(ApiSettings(MAX_EVENT_BYTES=900_000, _env_file=None), kafka)
    with pytest.raises(ConfigurationError) as caught:
        check_event_limit(ApiSettings(MAX_EVENT_BYTES=1_048_576, _env_file=None), kafka)
    assert "MAX_EVENT_BYTES=1048576" in str(caught.value)
    assert "KAFKA_MAX_MESSAGE_BYTES=1048576" in str(caught.value)
