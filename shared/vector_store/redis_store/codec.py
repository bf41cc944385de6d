"""Between the words of the domain and the strings in Redis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.domain import (
    AttributeValue,
    Change,
    ChangeKind,
    Chunk,
    Document,
    StoredDocument,
    Version,
    epoch_milliseconds,
    from_epoch_milliseconds,
)
from shared.ports import EmbeddedDocument

if TYPE_CHECKING:
    from shared.ports import Embeddings

_REVISION_OFFSET, _REVISION_DIGITS = 2**63, 20
_TIME_OFFSET, _TIME_DIGITS = 10**14, 15

_KINDS = {b"L": ChangeKind.INDEXED, b"D": ChangeKind.REMOVED, b"P": ChangeKind.PURGED}


def encode_version(version: Version) -> str:
    """Fixed width, so that the order of the strings is the order of the versions, for any 64-bit revision."""
    return (
        f"{version.revision + _REVISION_OFFSET:0{_REVISION_DIGITS}}"
        f"{epoch_milliseconds(version.updated_at) + _TIME_OFFSET:0{_TIME_DIGITS}}"
    )


def decode_version(text: str | bytes) -> Version:
    return Version(
        int(text[:_REVISION_DIGITS]) - _REVISION_OFFSET,
        from_epoch_milliseconds(int(text[_REVISION_DIGITS:]) - _TIME_OFFSET),
    )


def encode_content(document: Document) -> str:
    """All that a hit shows of its document, but for the version."""
    content = [document.source, document.title, document.url, dict(document.attributes)]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def decode_document(
    document_id: str, version: str | bytes, content: str | bytes, text: str, trace: str
) -> Document:
    source, title, url, attributes = json.loads(content)
    decoded = decode_version(version)
    return Document(
        document_id=document_id,
        source=source,
        title=title,
        text=text,
        url=url,
        revision=decoded.revision,
        updated_at=decoded.updated_at,
        attributes=attributes,
        ingest_trace_id=trace or None,
    )


def label(value: str) -> int:
    """A number for a string that a filter compares: 48 bits, exact as a double, and safe in an expression.
    Two strings may have the same one, so whoever filters by it has to look at the strings after."""
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=6).digest())


def encode_filter_attributes(document: Document) -> str:
    """What ``VSIM … FILTER`` sees of each chunk."""
    attributes: Mapping[str, AttributeValue] = document.attributes
    columns = {
        "s": label(document.source),
        "b": int(attributes.get("bot") is True),
        "t": epoch_milliseconds(document.updated_at),
    }
    wiki, namespace = attributes.get("wiki"), attributes.get("namespace")
    if isinstance(wiki, str):
        columns["w"] = label(wiki)
    if isinstance(namespace, int):
        columns["n"] = int(namespace)
    return json.dumps(columns, separators=(",", ":"))


def put_arguments(item: EmbeddedDocument) -> list[str | bytes | int]:
    """Of the function ``put``, from the id on."""
    document = item.document
    arguments: list[str | bytes | int] = [
        document.document_id,
        encode_version(document.version),
        epoch_milliseconds(document.updated_at),
        encode_content(document),
        document.text,
        encode_filter_attributes(document),
        document.ingest_trace_id or "",
    ]
    pairs = sorted(zip(item.chunks, item.embeddings, strict=True), key=lambda pair: pair[0].ordinal)
    for chunk, embedding in pairs:
        arguments += [
            chunk.ordinal,
            chunk.content_hash,
            chunk.text,
            b"" if embedding is None else embedding.tobytes(),
        ]
    return arguments


def decode_stored(document_id: str, reply: Sequence[Any]) -> StoredDocument:
    """From the function ``read``."""
    version, indexed_at, content, text, ordinals, trace, hashes, texts = reply
    chunks = zip(ordinals.decode().split(",") if ordinals else (), hashes, texts, strict=True)
    return StoredDocument(
        document=decode_document(document_id, version, content, text.decode(), trace.decode()),
        chunks=tuple(
            Chunk(document_id, int(ordinal), chunk_text.decode(), content_hash.decode())
            for ordinal, content_hash, chunk_text in chunks
        ),
        indexed_at=from_epoch_milliseconds(int(indexed_at)),
    )


class Detail(IntEnum):
    """How much of each document the function ``fetch`` returns."""

    ORDINALS = 0
    CONTENT = 1
    TEXTS = 2


class Excerpt:
    """Of a live document what the function ``fetch`` returned of it: some of its chunks, and, as far as the
    detail goes, the document without its text and the chunks' texts. The document is decoded when it is asked
    for: of many candidates, few become hits."""

    def __init__(
        self,
        document_id: str,
        ordinals: str,
        version: str = "",
        content: str = "",
        trace: str = "",
        texts: Sequence[str] = (),
    ) -> None:
        self.document_id = document_id
        self.ordinals = ordinals.split(",")
        self.texts = texts
        self._version = version
        self._content = content
        self._trace = trace

    @cached_property
    def document(self) -> Document:
        return decode_document(self.document_id, self._version, self._content, "", self._trace)


def decode_excerpts(documents: bytes) -> list[Excerpt]:
    return [Excerpt(*document) for document in json.loads(documents)]


def decode_embeddings(blobs: Sequence[bytes], dimension: int) -> Embeddings:
    return np.frombuffer(b"".join(blobs), dtype=np.float32).reshape(-1, dimension)


def decode_change(entry: Sequence[Any]) -> tuple[int, Change]:
    """From an entry of a feed: its sequence number and the change."""
    entry_id, fields = entry
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    change = Change(
        document_id=values[b"d"].decode(),
        kind=_KINDS[values[b"s"]],
        version=decode_version(values[b"v"]),
        indexed_at=from_epoch_milliseconds(int(values[b"i"])),
    )
    return int(entry_id.partition(b"-")[0]), change
