"""``python -m deploy.backup save|restore``, which ``deploy/backup.sh`` and ``deploy/restore.sh`` run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.backup.archive import BadArchive, Manifest, read_archive, write_archive
from deploy.docker.layout import Layout
from deploy.env_file import data_dir, read_settings
from deploy.errors import printed
from deploy.paths import ROOT, display_path
from shared.errors import ConfigurationError, RagError

if TYPE_CHECKING:
    from deploy.backup.containers import Containers
    from deploy.backup.local import LocalData

_WAIT_SECONDS = 120
_OUTCOMES = {
    "continued": "{again} records of Kafka that came after the backup are read again",
    "gap": "Kafka has removed {missing} records that came after the backup; {again} are read again, and the"
    " source from its cursor on",
    "rewound": "Kafka is not the one of the backup: all {again} records that it has are read, and the source"
    " from its cursor on",
}


def main() -> int:
    arguments = _parser().parse_args()
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        if arguments.command == "save":
            _save(arguments, here)
        else:
            _restore(arguments, here)
    except RagError as error:
        print(printed(arguments.program, error), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def _save(arguments: argparse.Namespace, here: Path) -> None:
    settings = read_settings()
    begun = datetime.now(UTC)
    default = data_dir(settings) / "backups" / f"live-rag-{begun:%Y%m%dT%H%M%SZ}.tar.gz"
    target = (here / arguments.to).resolve() if arguments.to else default
    kind, stack = _stack(arguments.mode, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        contents = Path(folder) / "contents"
        contents.mkdir()
        facts = stack.save(contents, arguments.wait, arguments.behind)
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        manifest = Manifest(kind, version, begun.isoformat(timespec="seconds"), facts)
        written = write_archive(target, contents, manifest)
    print(
        f"Saved {written.size / 2**20:.1f} MB ({kind}) in {display_path(target)},"
        f" {target.stat().st_size / 2**20:.1f} MB."
    )


def _restore(arguments: argparse.Namespace, here: Path) -> None:
    source = (here / arguments.file).resolve()
    settings = read_settings()
    data = data_dir(settings)
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as folder:
        contents = Path(folder) / "contents"
        contents.mkdir()
        manifest = read_archive(source, contents)
        kind, stack = _stack(arguments.mode or manifest.kind, settings)
        if manifest.kind != kind:
            raise BadArchive(f"{source}: is of a stack of another kind ({manifest.kind}, not {kind})")
        if not arguments.yes:
            _agree(manifest, source)
        outcome = stack.restore(contents)
    print(f"Restored what was there at {manifest.created_at}: {_explained(outcome)}.")
    if kind == "local":
        print("Start it: ./start.sh --local")


def _explained(outcome: dict[str, Any]) -> str:
    if outcome["outcome"] == "rewound" and "again" not in outcome:
        return "the source is read from its cursor on"
    return _OUTCOMES[outcome["outcome"]].format(**outcome)


def _stack(mode: str | None, settings: dict[str, str]) -> tuple[str, Containers | LocalData]:
    """Containers need nothing but Python, and the local stack no engine: only what is needed is imported."""
    layout = Layout(data_dir(settings))
    if mode == "containers" or (mode is None and layout.facts.exists()):
        from deploy.backup.containers import KIND, running_containers

        return KIND, running_containers(layout)
    from deploy.backup.local import KIND as LOCAL
    from deploy.backup.local import local_data

    return LOCAL, local_data()


def _agree(manifest: Manifest, source: Path) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("this replaces the index: without a terminal to ask on, give --yes too")
    question = f"Replace the index by that of {manifest.created_at} ({display_path(source)})? [y/N] "
    if input(question).strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was changed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.backup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("save")
    saving.add_argument("--to", type=Path)
    saving.add_argument("--wait", type=int, default=_WAIT_SECONDS)
    saving.add_argument("--behind", action="store_true")
    saving.set_defaults(program="backup.sh")
    restoring = commands.add_parser("restore")
    restoring.add_argument("file", type=Path)
    restoring.add_argument("--yes", action="store_true")
    restoring.set_defaults(program="restore.sh")
    for command in (saving, restoring):
        modes = command.add_mutually_exclusive_group()
        modes.add_argument("--docker", dest="mode", action="store_const", const="containers")
        modes.add_argument("--local", dest="mode", action="store_const", const="local")
    return parser


if __name__ == "__main__":
    sys.exit(main())
