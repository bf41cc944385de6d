"""``deploy/backup.sh`` and ``deploy/restore.sh`` on the local stack; ``tests/compose`` has the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.stack import RunningStack, run_script, started_stack
from tests.support.processes import wait_until

SECONDS = 60.0


def push(stack: RunningStack, document_id: str, text: str) -> None:
    body = {"document_id": document_id, "title": document_id, "source": "backup", "text": text}
    assert stack.api.post("/v1/documents", json=body).status_code == 202
    wait_until(lambda: has(stack, document_id), SECONDS, f"{document_id} in the index", 0.2)


def has(stack: RunningStack, document_id: str) -> bool:
    return stack.api.get(f"/v1/documents/{document_id}").status_code == 200


@pytest.mark.e2e
def test_a_running_stack_is_saved_and_comes_back_on_an_empty_folder(tmp_path: Path) -> None:
    data, archive = tmp_path / "data", tmp_path / "backup.tar.gz"
    with started_stack(data, LLM="extractive") as stack:
        push(stack, "kept:1", "The lighthouse of Quarrel Point was repainted in green.")
        saved = stack.script("deploy/backup.sh", "--local", "--to", str(archive))
        assert saved.returncode == 0, saved.stdout
        push(stack, "later:1", "The lighthouse of Quarrel Point was repainted in blue.")
        refused = stack.script("deploy/restore.sh", str(archive), "--yes")
        assert refused.returncode == 1
        assert "stop it first" in refused.stdout
        assert has(stack, "later:1")
        environment = stack.environment

    cleaned = run_script("stop.sh", "--clean", "--yes", environment=environment)
    assert cleaned.returncode == 0, cleaned.stdout
    unasked = run_script("deploy/restore.sh", str(archive), environment=environment)
    assert unasked.returncode == 1
    assert "--yes" in unasked.stdout
    restored = run_script("deploy/restore.sh", str(archive), "--yes", environment=environment)
    assert restored.returncode == 0, restored.stdout

    with started_stack(data, LLM="extractive") as stack:
        assert has(stack, "kept:1")
        assert not has(stack, "later:1"), "pushed after the backup, and the broker keeps nothing"
        hits = stack.search("Which colour has the lighthouse of Quarrel Point?")
        assert hits[0]["document_id"] == "kept:1"
        push(stack, "later:1", "The lighthouse of Quarrel Point was repainted in blue.")


@pytest.mark.e2e
def test_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    archive.write_bytes(b"not a backup")
    with started_stack(tmp_path / "data", LLM="extractive") as stack:
        push(stack, "kept:1", "The lighthouse of Quarrel Point was repainted in green.")
        environment = stack.environment
    refused = run_script("deploy/restore.sh", str(archive), "--yes", environment=environment)
    assert refused.returncode == 1
    assert "damaged, or no backup" in refused.stdout
    assert (tmp_path / "data" / "store" / "documents.sqlite").exists()
