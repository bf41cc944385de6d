from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.backup.archive import BadArchive, Manifest, read_archive, write_archive

FILES = {
    "offsets.json": b'{"format": 1}',
    "redis/appendonly.aof.1.base.rdb": random.Random(1).randbytes(200_000),
    "redis/appendonly.aof.1.incr.aof": b"",
    "producer/cursor-0123456789ab.json": b"{}",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    contents = tmp_path / "contents"
    for name, body in FILES.items():
        (contents / name).parent.mkdir(parents=True, exist_ok=True)
        (contents / name).write_bytes(body)
    target = tmp_path / "backups" / "backup.tar.gz"
    written = write_archive(
        target, contents, Manifest("containers", "0.1.0", "2026-11-23T20:00:00Z", {"a": 1})
    )
    assert written.size == sum(map(len, FILES.values()))
    return target


def unpacked(archive: Path) -> tuple[Manifest, dict[str, bytes]]:
    folder = archive.parent / "unpacked"
    folder.mkdir()
    manifest = read_archive(archive, folder)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    return manifest, files


def test_what_was_written_comes_back(archive: Path) -> None:
    manifest, files = unpacked(archive)
    assert files == FILES
    assert (manifest.kind, manifest.created_at, manifest.facts) == (
        "containers",
        "2026-11-23T20:00:00Z",
        {"a": 1},
    )
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in archive.parent.iterdir() if path.name != "unpacked"] == [archive.name]


def test_any_damage_is_noticed(archive: Path) -> None:
    """A byte changed anywhere, and cut off anywhere; but for the byte in which the compressed stream ends, of
    which the last bits mean nothing."""
    original, rng = archive.read_bytes(), random.Random(2)
    for place in [
        10,
        len(original) // 2,
        len(original) - 8,
        *(rng.randrange(64, len(original) - 9) for _ in range(40)),
    ]:
        changed = bytearray(original)
        changed[place] ^= 0x20
        refused(archive, bytes(changed))
        refused(archive, original[:place])


def refused(archive: Path, body: bytes) -> None:
    archive.write_bytes(body)
    folder = archive.parent / "refused"
    folder.mkdir(exist_ok=True)
    with pytest.raises(BadArchive) as caught:
        read_archive(archive, folder)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)


def rewritten(
    archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], *extra: tarfile.TarInfo
) -> bytes:
    """The archive with each member changed, or left out; valid as a tar."""
    with tarfile.open(archive) as tar:
        members = [(entry.name, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            changed = change(*member)
            if changed is not None:
                entry = tarfile.TarInfo(changed[0])
                entry.size = len(changed[1])
                tar.addfile(entry, io.BytesIO(changed[1]))
        for entry in extra:
            tar.addfile(entry)
    return buffer.getvalue()


def test_a_changed_file_is_refused(archive: Path) -> None:
    refused(
        archive, rewritten(archive, lambda name, body: (name, body[::-1] if name.endswith(".rdb") else body))
    )


def test_a_missing_file_is_refused(archive: Path) -> None:
    refused(
        archive, rewritten(archive, lambda name, body: None if name.startswith("producer/") else (name, body))
    )


def test_nothing_is_written_outside(archive: Path, tmp_path: Path) -> None:
    def escape(name: str, body: bytes) -> tuple[str, bytes]:
        outside = "../../outside"
        if name == "manifest.json":
            return name, body.replace(b"offsets.json", outside.encode())
        return (outside if name == "offsets.json" else name), body

    refused(archive, rewritten(archive, escape))
    assert not list(tmp_path.rglob("outside"))


def test_a_link_is_refused(archive: Path) -> None:
    link = tarfile.TarInfo("offsets.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    refused(
        archive, rewritten(archive, lambda name, body: None if name == "offsets.json" else (name, body), link)
    )


def test_another_format_names_the_version_that_reads_it(archive: Path) -> None:
    def later(name: str, body: bytes) -> tuple[str, bytes]:
        if name != "manifest.json":
            return name, body
        return name, json.dumps({**json.loads(body), "format": 2, "version": "9.0.0"}).encode()

    archive.write_bytes(rewritten(archive, later))
    with pytest.raises(BadArchive, match=r"format 2.*9\.0\.0"):
        read_archive(archive, archive.parent)


@pytest.mark.parametrize(
    "body",
    [b"", b"not an archive", gzip.compress(b"not a tar"), gzip.compress(b"\0" * 10_240)],
    ids=["empty", "text", "compressed text", "an empty tar"],
)
def test_any_other_file_is_refused(archive: Path, body: bytes) -> None:
    refused(archive, body)
