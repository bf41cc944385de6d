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
        (KafkaSettings, "KAFKA_BOOTSTRAP_SERVERS", "", "at least 1 character"),
        (KafkaSettings, "KAFKA_GROUP_ID", "", "at least 1 character"),
        (KafkaSettings, "KAFKA_TOPIC", "", "at least 1 character"),
        (KafkaSettings, "KAFKA_TOPIC", "documents.dlq", "KAFKA_DLQ_TOPIC"),
        (KafkaSettings, "KAFKA_DLQ_TOPIC", "documents", "KAFKA_TOPIC"),
        (KafkaSettings, "KAFKA_SESSION_TIMEOUT_MS", "300001", "less than or equal to 300000"),
        (KafkaSettings, "KAFKA_MAX_MESSAGE_BYTES", "2000000000", "less than or equal to"),
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
