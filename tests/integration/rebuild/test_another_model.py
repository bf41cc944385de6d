"""``python -m services.processor rebuild`` for another embedding model."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest

from shared.embedder.hashing import HashingEmbedder
from shared.errors import StoreMismatch
from tests.integration.rebuild.stage import PROCESSOR, TIMEOUT, Stage, expected, metrics, write_to
from tests.support.event_history import a_history
from tests.support.processes import free_port, wait_until


def test_another_model_is_refused_with_the_command_that_cures_it(stage: Stage) -> None:
    history = a_history(11, events=300, poison=0)
    stage.write(history, HashingEmbedder(64))
    environment = {**os.environ, **stage.environment, "METRICS_PORT": str(free_port())}
    refused = subprocess.run(
        PROCESSOR, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("python -m services.processor rebuild")
    output = stage.rebuilt()
    assert output.startswith("Rebuilding for hashing-384 from the texts in the store: ")
    assert "restart them" in output.splitlines()[-1]
    assert stage.contents() == expected(history)
    port = stage.processor()
    wait_until(lambda: "started" in (stage.folder / "processor.log").read_text(), TIMEOUT, "a processor")
    more = a_history(12, events=40, poison=0)
    stage.send(more)
    wait_until(lambda: stage.contents() == expected([*history, *more]), TIMEOUT, "it goes on", 0.2)
    assert "rag_ingest_documents_total" in metrics(port)


def test_a_running_processor_with_the_old_model_does_not_touch_the_new_index(stage: Stage) -> None:
    with closing(stage.opened(HashingEmbedder(64))) as running_with_the_old:
        history = a_history(13, events=60, poison=0)
        for message in history:
            write_to(running_with_the_old, message, HashingEmbedder(64))
        running_with_the_old.flush()
        stage.rebuilt()
        with pytest.raises(StoreMismatch, match="rebuild"):
            running_with_the_old.stats()
    assert stage.contents() == expected(history)
