"""``python -m services.processor rebuild --from kafka``: what the log lacks, and what the store lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import redis

from shared.errors import StoreDamaged
from shared.vector_store.redis_store.keys import pointer_key, registry_key
from tests.integration.rebuild.stage import TIMEOUT, Stage, expected
from tests.support.event_history import a_history
from tests.support.processes import free_port


def test_what_the_log_has_forgotten_is_kept_or_dropped_as_asked(stage: Stage) -> None:
    history = a_history(19, events=300, poison=5)
    old, new = history[:100], history[100:]
    stage.send(new)
    stage.write([message for message in history if message.state is not None])
    output = stage.rebuilt("--from", "kafka")
    assert "are not in the log (any more): copying them from their stored texts" in output
    assert stage.contents() == expected(history)
    with stage.rebuild("--from", "kafka", "--drop-missing") as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (
        2,
        "rebuild: --drop-missing: without a terminal to ask on, give --yes too\n",
    )
    stage.rebuilt("--from", "kafka", "--drop-missing", "--yes")
    in_log = {message.state.document_id for message in new if message.state is not None}
    assert old
    assert stage.contents().documents.keys() <= in_log


def test_a_broker_that_is_away_is_one_line_with_the_way_out(stage: Stage) -> None:
    stage.write(a_history(23, events=20, poison=0))
    away = stage.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"})
    with Stage(away, stage.store, stage.folder).rebuild() as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    [line] = errors.splitlines()
    assert line.startswith("rebuild: no broker answers at KAFKA_BOOTSTRAP_SERVERS=")
    assert line.endswith("start it, or give --from stored")


def test_a_damaged_file_is_refused_with_its_cure_which_works(stage: Stage) -> None:
    if stage.store["VECTOR_STORE"] != "faiss":
        pytest.skip("only the FAISS store is a file that can be cut")
    history = a_history(29, events=200, poison=5)
    stage.send(history)
    stage.write([message for message in history if message.state is not None])
    file = Path(stage.store["FAISS_PATH"])
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)
    with stage.rebuild() as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    [line] = errors.splitlines()
    assert line.endswith("or remove it and run: python -m services.processor rebuild --from kafka")
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    stage.rebuilt("--from", "kafka")
    assert stage.contents() == expected(history)


def test_keys_that_are_gone_come_back_from_the_log(stage: Stage) -> None:
    if stage.store["VECTOR_STORE"] != "redis":
        pytest.skip("only the Redis store consists of keys")
    history = a_history(31, events=200, poison=5)
    stage.send(history)
    stage.write([message for message in history if message.state is not None])
    with closing(redis.Redis.from_url(stage.store["REDIS_URL"])) as client:
        prefix = stage.store["REDIS_PREFIX"]
        known = {pointer_key(prefix).encode(), registry_key(prefix).encode()}
        shards = [key for key in client.scan_iter(f"*{prefix}*") if key not in known]
        assert shards
        client.delete(*shards)
    with pytest.raises(StoreDamaged, match="rebuild"):
        stage.opened()
    output = stage.rebuilt()
    assert "from KAFKA_TOPIC: the store cannot be read" in output
    assert stage.contents() == expected(history)
