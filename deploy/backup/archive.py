"""One backup in one file: a tar with a manifest first, that names every other member with its checksum."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from shared.errors import RagError

FORMAT = 1
_MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}")
_LARGEST_MANIFEST = 4 * 2**20
_PIECE = 2**20


class BadArchive(RagError):
    """The file is no backup of ours, or not as it was written."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """``kind``: ``containers`` or ``local``; ``created_at``: RFC 3339; ``facts``: what a reader may want to
    know, nothing that a restore depends on."""

    kind: str
    version: str
    created_at: str
    facts: Mapping[str, Any]
    members: tuple[Member, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def size(self) -> int:
        return sum(member.bytes for member in self.members)


def write_archive(target: Path, folder: Path, manifest: Manifest) -> Manifest:
    """All files of ``folder``. ``target`` is for its owner alone, and appears only when it is complete.

    :raises OSError: as writing files does.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    members = tuple(_described(folder, name) for name in names)
    full = Manifest(manifest.kind, manifest.version, manifest.created_at, manifest.facts, members)
    described = folder.parent / f"{folder.name}.{_MANIFEST}"
    described.write_text(json.dumps(asdict(full), indent=2) + "\n", encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as tar:
            tar.add(described, _MANIFEST, recursive=False)
            for name in names:
                tar.add(folder / name, name, recursive=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return full


def read_archive(source: Path, folder: Path) -> Manifest:
    """Unpack all of it into ``folder``, which must be empty; nothing is written outside of it.

    :raises BadArchive: it is not ours, of another format, cut off, changed, or has more or less than it says.
    :raises OSError: as reading and writing files does.
    """
    try:
        with gzip.open(source) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            entries = iter(tar)
            manifest = _manifest(source, tar, next(entries, None))
            wanted = {member.name: member for member in manifest.members}
            for entry in entries:
                member = wanted.pop(entry.name, None)
                if member is None or not entry.isreg():
                    raise BadArchive(f"{source}: holds {entry.name!r}, which its manifest does not name")
                _unpack(source, tar, entry, member, folder)
            while stream.read(_PIECE):  # up to gzip's own checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadArchive(f"{source}: damaged, or no backup ({error})") from None
    except OSError as error:
        if error.errno is not None:  # gzip reports damage as an OSError without a number
            raise
        raise BadArchive(f"{source}: damaged, or no backup ({error})") from None
    if wanted:
        raise BadArchive(f"{source}: lacks {', '.join(sorted(wanted))}")
    return manifest


def _described(folder: Path, name: str) -> Member:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a member")
    digest = hashlib.sha256()
    with (folder / name).open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
        return Member(name, file.tell(), digest.hexdigest())


def _manifest(source: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo | None) -> Manifest:
    stream = None
    if entry is not None and entry.name == _MANIFEST and entry.isreg() and entry.size <= _LARGEST_MANIFEST:
        stream = tar.extractfile(entry)
    if stream is None:
        raise BadArchive(f"{source}: no backup of this software: it does not begin with a manifest")
    try:
        body = json.loads(stream.read())
        if body["format"] != FORMAT:
            raise BadArchive(
                f"{source}: has format {body['format']}, this version reads {FORMAT}; restore it with"
                f" version {body.get('version')}"
            )
        members = tuple(_member(each) for each in body["members"])
        return Manifest(
            str(body["kind"]), str(body["version"]), str(body["created_at"]), dict(body["facts"]), members
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadArchive(f"{source}: its manifest cannot be read ({error!r})") from None


def _member(body: Mapping[str, Any]) -> Member:
    member = Member(str(body["name"]), int(body["bytes"]), str(body["sha256"]))
    if not _NAME.fullmatch(member.name):
        raise ValueError(f"{member.name!r} is no name for a member")
    return member


def _unpack(source: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, member: Member, folder: Path) -> None:
    stream = tar.extractfile(entry)
    assert stream is not None, "regular files have contents"
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        digest = _copy(stream, file)
        size = file.tell()
    if (size, digest) != (member.bytes, member.sha256):
        raise BadArchive(f"{source}: {member.name} is not as it was written (its checksum differs)")


def _copy(stream: IO[bytes], file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def unpack(tar_file: Path, folder: Path) -> None:
    """The plain files of a tar that a container made, which is removed then. Nothing is made of an empty one.

    :raises BadArchive: it is none.
    """
    if tar_file.stat().st_size:
        folder.mkdir()
        try:
            with tarfile.open(tar_file, "r:") as tar:
                for entry in tar:
                    stream = tar.extractfile(entry) if entry.isreg() else None
                    if stream is not None:
                        with (folder / Path(entry.name).name).open("wb") as file:
                            _copy(stream, file)
        except tarfile.TarError as error:
            raise BadArchive(f"{tar_file.name} from the container cannot be read ({error})") from None
    tar_file.unlink()


def pack(folder: Path, tar_file: Path) -> None:
    """The files of ``folder``, as a tar for a container, readable for whoever it runs as."""
    with tarfile.open(tar_file, "w:") as tar:
        for path in sorted(folder.iterdir()):
            entry = tar.gettarinfo(path, path.name)
            entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = 0o600, 0, 0, "", ""
            with path.open("rb") as file:
                tar.addfile(entry, file)
