"""``/v1/documents``: writes go through Kafka like every other change; reads come from the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException

from services.api.dependencies import Dependencies, Deps
from services.api.document_schemas import (
    MAX_DOCUMENT_ID,
    AcceptedResponse,
    DocumentResponse,
    PushedDocument,
    check_document_id,
    read_document,
    read_documents,
)
from services.api.error_handlers import InvalidRequest
from services.api.versions import MAX_REVISION
from shared.domain import Document
from shared.events import DocumentEvent, Operation, new_event_id

router = APIRouter(prefix="/v1", tags=["documents"])

_READERS: dict[str, Callable[[bytes, datetime, int], list[PushedDocument]]] = {
    "application/json": read_document,
    "application/x-ndjson": read_documents,
    "application/ndjson": read_documents,
}
_BODY_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": PushedDocument.model_json_schema()},
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One JSON document a line, all or nothing."}
            },
        },
    }
}


async def _read_body(request: Request) -> bytes:
    return await request.body()


def _check_id(document_id: Annotated[str, Path(max_length=MAX_DOCUMENT_ID)]) -> str:
    try:
        return check_document_id(document_id)
    except ValueError as error:
        raise InvalidRequest([{"field": "document_id", "message": str(error)}]) from None


DocumentId = Annotated[str, Depends(_check_id)]


@router.post("/documents", status_code=202, openapi_extra=_BODY_SCHEMA)
def push(request: Request, body: Annotated[bytes, Depends(_read_body)], deps: Deps) -> AcceptedResponse:
    """Index a document, or a new version of one; NDJSON for many. The reply comes once Kafka has them;
    they are searchable a moment later."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    reader = _READERS.get(media_type)
    if reader is None:
        raise HTTPException(415, f"Send the content type {' or '.join(list(_READERS)[:2])}.")
    documents = reader(body, deps.clock.now(), deps.settings.max_document_bytes)
    deps.publisher.publish([_upsert(document, deps) for document in documents])
    return AcceptedResponse(accepted=len(documents))


@router.delete("/documents/{document_id:path}", status_code=202)
def delete(
    document_id: DocumentId, deps: Deps, revision: Annotated[int | None, Query(ge=0, le=MAX_REVISION)] = None
) -> AcceptedResponse:
    """Remove a document, and keep late versions of it from coming back; a newer revision brings it back.

    `revision` is for clients that number revisions themselves; by default it is the newest one known."""
    stored = deps.store.get_many([document_id]).get(document_id)
    version = deps.versions.for_delete(document_id, stored.document.version if stored else None, revision)
    document = Document(
        document_id=document_id,
        source=stored.document.source if stored else "api",
        title=stored.document.title if stored else "",
        text="",
        url=stored.document.url if stored else "",
        revision=version.revision,
        updated_at=version.updated_at,
    )
    deps.publisher.publish([_event(Operation.DELETE, document, deps)])
    return AcceptedResponse(accepted=1)


@router.get("/documents/{document_id:path}")
def get(document_id: DocumentId, deps: Deps) -> DocumentResponse:
    """The live document as indexed."""
    stored = deps.store.get_many([document_id])
    if document_id not in stored:
        raise HTTPException(404, "No live document has this id.")
    return DocumentResponse.of(stored[document_id])


def _upsert(pushed: PushedDocument, deps: Dependencies) -> DocumentEvent:
    version = deps.versions.for_push(pushed.document_id, pushed.revision, pushed.updated_at)
    return _event(Operation.UPSERT, pushed.to_document(version), deps)


def _event(op: Operation, document: Document, deps: Dependencies) -> DocumentEvent:
    return DocumentEvent(op, new_event_id(), deps.clock.now(), document)
