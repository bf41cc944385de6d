"""``deploy/backup.sh`` and ``deploy/restore.sh`` on the stack in containers, while it is written to."""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.compose_stack import ComposeStack

DOCUMENTS = 24
SECONDS = 120.0
Texts = dict[str, str]
"""Document id → the newest text that the API has accepted. The oracle, too: what the index must hold."""


class Writer(threading.Thread):
    """Pushes new revisions of the same documents, one after another, until it is told to stop."""

    def __init__(self, stack: ComposeStack) -> None:
        super().__init__(name="writer", daemon=True)
        self._api = stack.api
        self._stop_pushing = threading.Event()
        self.accepted: Texts = {}

    def run(self) -> None:
        number = 0
        while not self._stop_pushing.wait(0.05):
            document_id = f"backup:{number % DOCUMENTS}"
            self.accepted |= push(self._api, document_id, f"Revision {number} of the harbour log.")
            number += 1

    def stop(self) -> None:
        self._stop_pushing.set()
        self.join()


@contextmanager
def written_to(stack: ComposeStack) -> Iterator[Writer]:
    writer = Writer(stack)
    writer.start()
    try:
        stack.wait(lambda: len(writer.accepted) == DOCUMENTS, "each document was pushed once", SECONDS)
        yield writer
    finally:
        writer.stop()


def push(api: httpx.Client, document_id: str, text: str) -> Texts:
    body = {"document_id": document_id, "title": f"Log {document_id}", "source": "backup", "text": text}
    response = api.post("/v1/documents", json=body)
    assert response.status_code == 202, response.text
    return {document_id: text}


def indexed(stack: ComposeStack) -> Texts | None:
    """``None``: the gateway has no ready API yet."""
    found = {}
    for number in range(DOCUMENTS):
        response = stack.api.get(f"/v1/documents/backup:{number}")
        if response.status_code == httpx.codes.OK:
            found[f"backup:{number}"] = response.json()["text"]
        elif response.status_code != httpx.codes.NOT_FOUND:
            return None
    return found


def revision(text: str) -> int:
    return int(text.split()[1])


def restore(stack: ComposeStack, archive: Path) -> str:
    done = stack.script("deploy/restore.sh", str(archive), "--yes")
    assert done.returncode == 0, done.stdout[-4000:]
    stack.wait_healthy()
    return done.stdout


@pytest.mark.timeout(1_800)
def test_a_backup_under_load_brings_everything_back(stack: ComposeStack, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with written_to(stack) as writer:
        before = dict(writer.accepted)
        saved = stack.script("deploy/backup.sh", "--to", str(archive))
        assert saved.returncode == 0, saved.stdout[-4000:]
    newest = dict(writer.accepted)
    stack.wait(lambda: indexed(stack) == newest, "the newest revisions", SECONDS)
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert {"manifest.json", "offsets.json", "redis/appendonly.aof.manifest"} <= set(names)
    assert any(name.startswith("producer/cursor-") for name in names)

    # A file that is not whole, while the stack runs: nothing happens.
    damaged = tmp_path / "damaged.tar.gz"
    damaged.write_bytes(archive.read_bytes()[:-200])
    refused = stack.script("deploy/restore.sh", str(damaged), "--yes")
    assert refused.returncode == 1, refused.stdout
    assert "damaged" in refused.stdout
    assert indexed(stack) == newest, "nothing was stopped or replaced"

    # Kafka is as it was: what came after the backup is read from it again.
    said = restore(stack, archive)
    assert "are read again" in said or "Kafka is not the one of the backup" in said
    stack.wait(lambda: indexed(stack) == newest, "the newest revisions, from Kafka", SECONDS)

    # All volumes are gone, Kafka's too.
    stack.stop()
    volumes = stack.engine.run(
        *("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={stack.name}")
    ).stdout.split()
    stack.engine.run("volume", "rm", *volumes)
    stack.start()
    stack.wait(lambda: indexed(stack) == {}, "an empty index", SECONDS)
    assert "Kafka is not the one of the backup" in restore(stack, archive)
    stack.wait(lambda: indexed(stack) is not None, "an API behind the gateway", SECONDS)
    found = indexed(stack) or {}
    assert found.keys() == before.keys()
    assert all(revision(found[name]) >= revision(before[name]) for name in before)
    hits = stack.search("How many people has the earthquake in Velmora killed?")
    assert hits[0]["title"] == "Velmora earthquake"

    # And it goes on from there: what was sent since is sent again, in any order.
    for document_id in sorted(newest, reverse=True):
        push(stack.api, document_id, newest[document_id])
    stack.wait(lambda: indexed(stack) == newest, "what was sent again", SECONDS)
