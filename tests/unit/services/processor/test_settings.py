from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.processor.settings import ProcessorSettings
from shared.errors import ConfigurationError
from shared.settings import load_settings


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CHUNK_WINDOW_TOKENS": "0"}, "CHUNK_WINDOW_TOKENS=0: .*greater than or equal to 1"),
        ({"CHUNK_TOKENS": "16"}, "CHUNK_TOKENS=16: .*greater than or equal to 32"),
        ({"MAX_AGE": "90"}, "MAX_AGE=90: .*a duration such as .* is needed"),
        ({"MAX_AGE": "0"}, "MAX_AGE=0: .*must be longer than 0"),
        ({"TOMBSTONE_AGE": "soon"}, "TOMBSTONE_AGE=soon: .*a duration such as .* is needed"),
        ({"MAX_CHUNKS": "0"}, "MAX_CHUNKS=0: .*greater than or equal to 1"),
        ({"DLQ_MAX_SHARE": "50"}, "DLQ_MAX_SHARE=50: .*less than or equal to 1"),
        ({"BATCH_MAX_TOKENS": "1"}, "BATCH_MAX_TOKENS=1: .*greater than or equal to 32"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        load_settings(ProcessorSettings)


def test_limits_are_off_unless_they_are_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAX_AGE", "")
    monkeypatch.setenv("MAX_CHUNKS", "")
    settings = load_settings(ProcessorSettings)
    assert (settings.max_age, settings.max_chunks, settings.tombstone_age) == (None, None, timedelta(days=30))
    monkeypatch.setenv("MAX_AGE", "90d")
    monkeypatch.setenv("MAX_CHUNKS", "100000")
    settings = load_settings(ProcessorSettings)
    assert (settings.max_age, settings.max_chunks) == (timedelta(days=90), 100_000)
