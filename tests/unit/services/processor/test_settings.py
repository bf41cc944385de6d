from __future__ import annotations

from pathlib import Path

import pytest

from services.processor.settings import ProcessorSettings
from shared.errors import ConfigurationError
from shared.settings import load_settings


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CHUNK_OVERLAP_TOKENS": "121"}, "CHUNK_OVERLAP_TOKENS=121: .*at most half of CHUNK_TOKENS=240"),
        ({"CHUNK_TOKENS": "64"}, "CHUNK_OVERLAP_TOKENS=40: .*at most half of CHUNK_TOKENS=64"),
        ({"CHUNK_TOKENS": "16"}, "CHUNK_TOKENS=16: .*greater than or equal to 32"),
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
