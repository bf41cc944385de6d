"""The local stack: its index in SQLite, and its cursors. Its broker keeps nothing, nor any offset."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.backup.archive import BadArchive
from deploy.local.configuration import Stack, read_environment
from deploy.local.facts import as_started, read_facts
from deploy.local.settings import LocalStackSettings
from deploy.paths import ROOT
from shared.errors import ConfigurationError, StoreUnavailable
from shared.settings import VectorStoreSettings, load_settings

KIND = "local"
STORE = "store"
PRODUCER = "producer"

_ATTEMPTS = 5
_CURSORS = "cursor-*.json"


@dataclass(frozen=True)
class LocalData:
    """``index``: the first file of the store. ``broker``: where the running stack's broker listens, ``None``
    where no stack runs."""

    folder: Path
    index: Path
    broker: str | None

    def save(self, folder: Path, wait: int, accept_lag: bool) -> dict[str, Any]:
        """Into ``folder``, also while the stack runs; facts for the manifest.

        The cursors first: the index, copied last, then has all that they have passed.

        :raises StoreUnavailable: the processors are too far behind, or a rebuild kept replacing the index.
        """
        (folder / PRODUCER).mkdir()
        for cursor in sorted((self.folder / PRODUCER).glob(_CURSORS)):
            shutil.copyfile(cursor, folder / PRODUCER / cursor.name)
        if self.broker is not None:
            self._wait_for_processors(self.broker, wait, accept_lag)
        names = copy_index(self.index, folder / STORE)
        return {"running": self.broker is not None, "index": names}

    def restore(self, folder: Path) -> dict[str, Any]:
        """:raises ConfigurationError: the stack runs, or the index has another name here."""
        if self.broker is not None:
            raise ConfigurationError("the local stack runs: stop it first, with ./stop.sh")
        if not (folder / STORE / self.index.name).exists():
            raise BadArchive(f"FAISS_PATH={self.index}: the backup has no index of that name")
        # What the API made of the index is made anew; its place in the feed may lie ahead of the copy.
        shutil.rmtree(self.folder / "api", ignore_errors=True)
        _replace(self.folder / PRODUCER, _CURSORS, folder / PRODUCER)
        _replace(self.index.parent, f"{self.index.name}*", folder / STORE)
        return {"outcome": "rewound", "cursor": "restored"}

    def _wait_for_processors(self, broker: str, wait: int, accept_lag: bool) -> None:
        accept = ["--behind"] if accept_lag else []
        done = subprocess.run(
            [sys.executable, "-m", "services.processor", "offsets", "save", f"--wait={wait}", *accept],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StoreUnavailable(done.stderr.strip() or f"offsets save: exit code {done.returncode}")


def local_data() -> LocalData:
    """Of the settings; what runs is asked how it was started.

    :raises ConfigurationError: the index is not in a file.
    """
    os.environ.update(read_environment())
    stack = as_started(Stack(load_settings(LocalStackSettings)))
    os.environ["DATA_DIR"] = str(stack.data_dir)
    store = load_settings(VectorStoreSettings)
    if store.vector_store != "faiss":
        raise ConfigurationError(
            f"VECTOR_STORE={store.vector_store}: its server is not ours; back it up by its own means"
        )
    running = read_facts(stack) is not None
    broker = stack.settings.kafka_bootstrap_servers if running else None
    return LocalData(stack.data_dir, (ROOT / store.faiss_file.expanduser()).resolve(), broker)


def copy_index(first: Path, folder: Path) -> list[str]:
    """The files of a store, each as of one moment, and together complete; their names.

    :raises ConfigurationError: there is no index, or it cannot be read.
    :raises StoreUnavailable: a rebuild replaced files faster than they were copied.
    """
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        names: list[str] = []
        name: str | None = first.name
        while name is not None and (first.parent / name).exists():
            names.append(name)
            name = _copy_file(first.parent / name, folder / name)
        if not names:
            raise ConfigurationError(f"FAISS_PATH={first}: there is no index")
        if name is None:
            return names
    raise StoreUnavailable(f"FAISS_PATH={first}: a rebuild keeps replacing it; try again when that has ended")


def _copy_file(source: Path, target: Path) -> str | None:
    """The name of the file that has taken over, if there is one."""
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
            (problem,) = copy.execute("PRAGMA quick_check").fetchone()
            (successor,) = copy.execute("SELECT superseded_by FROM counters").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"FAISS_PATH={source}: cannot be copied ({error})") from None
    if problem != "ok":
        raise ConfigurationError(f"FAISS_PATH={source}: is damaged ({problem}); an older backup may not be")
    return None if successor is None else str(successor)


def _replace(folder: Path, pattern: str, source: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(pattern):
        old.unlink()
    for new in sorted(source.iterdir()) if source.is_dir() else ():
        shutil.copyfile(new, folder / new.name)
