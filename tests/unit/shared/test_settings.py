from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.settings import EmbedderSettings, KafkaSettings, VectorStoreSettings, load_settings, split_list


@pytest.fixture(autouse=True)
def _no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("cls", "name", "value", "allowed"),
    [
        (KafkaSettings, "KAFKA_PARTITIONS", "many", "integer"),
        (KafkaSettings, "KAFKA_PARTITIONS", "0", "greater than or equal to 1"),
        (VectorStoreSettings, "VECTOR_STORE", "chroma", "'faiss'"),
        (EmbedderSettings, "EMBEDDER", "word2vec", "'sentence-transformers'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, cls: type[KafkaSettings], name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(cls)
    message = str(caught.value)
    assert f"{name}={value}" in message
    assert allowed in message
    assert "\n" not in message


def test_the_environment_wins_over_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("KAFKA_TOPIC=from-file\nKAFKA_GROUP_ID=from-file\n")
    monkeypatch.setenv("KAFKA_TOPIC", "from-environment")
    settings = load_settings(KafkaSettings)
    assert (settings.topic, settings.group_id) == ("from-environment", "from-file")


@pytest.mark.parametrize(
    ("value", "expected"), [("", ()), ("*", ()), ("enwiki", ("enwiki",)), (" a, b ,", ("a", "b"))]
)
def test_lists(value: str, expected: tuple[str, ...]) -> None:
    assert split_list(value) == expected
