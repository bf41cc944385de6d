"""A rebuild in a process of its own: ``python -m tests.support.faiss_rebuilder FILE DEATH``.

The new generation holds document ``new``. The process kills itself at the point DEATH (``nowhere`` for
none), or says ``sealed`` and then waits for a line of input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from unittest import mock

from shared.settings import VectorStoreSettings
from shared.vector_store.factory import begin_rebuild
from shared.vector_store.faiss_store import leftovers, rebuild
from tests.contract.vector_store.builders import DIMENSION, embedded
from tests.support.child import Child, child, say

BEFORE_THE_SWITCH = ("begun", "filled", "sealed", "uncommitted")
"""``committed``, ``signpost``, ``emptied`` and ``unlinked`` come after it."""


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def rebuilder(file: Path, death: str) -> contextlib.AbstractContextManager[Child]:
    return child("tests.support.faiss_rebuilder", str(file), death)


real_unlink = Path.unlink


def unlink_and_die(path: Path, missing_ok: bool = False) -> None:
    real_unlink(path, missing_ok)
    die()


PATCHES: dict[str, tuple[object, str, object]] = {
    "uncommitted": (rebuild._Seal, "end_with_successor", die),
    "committed": (rebuild, "tidy_up", die),
    "signpost": (leftovers, "_give_back_all", die),
    "emptied": (leftovers, "remove_generation", die),
    "unlinked": (Path, "unlink", unlink_and_die),
}


def run(file: Path, death: str) -> None:
    def reach(point: str) -> None:
        if death == point:
            die()

    running = begin_rebuild(VectorStoreSettings(faiss_path=file), embedder_name="test", dimension=DIMENSION)
    reach("begun")
    running.target.replace([embedded("new")])
    reach("filled")
    running.seal()
    reach("sealed")
    if death == "wait":
        say("sealed")
        sys.stdin.readline()
    with mock.patch.object(*PATCHES[death]) if death in PATCHES else contextlib.nullcontext():
        running.switch()
    running.close()


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
