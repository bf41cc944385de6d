"""Dead letters for tests."""

from __future__ import annotations

from shared.ports import Headers, OutgoingRecord, Record

DLQ = "documents.dlq"


def letter_headers(
    reason: str = "malformed_json",
    detail: str = "Expecting value",
    origin: str = "documents/1@5",
    failed_at: str = "2026-11-22T09:30:00.250Z",
) -> Headers:
    fields = {"reason": reason, "detail": detail, "origin": origin, "failed_at": failed_at}
    return tuple((f"dlq.{name}", value.encode()) for name, value in fields.items())


def a_letter(
    value: bytes | None = b"{",
    key: bytes | None = b"test:1",
    headers: Headers | None = None,
    offset: int = 17,
) -> Record:
    return Record(DLQ, 3, offset, key, value, letter_headers() if headers is None else headers, 1_000)


def an_outgoing_letter(value: bytes | None, key: str = "test:1", **changes: str) -> OutgoingRecord:
    return OutgoingRecord(DLQ, key.encode(), value, (("x", b"kept"), *letter_headers(**changes)))
