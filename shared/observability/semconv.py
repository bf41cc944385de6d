"""Every attribute name that stands on a span, in one place.

OpenTelemetry's names for HTTP, messaging, databases and generative AI (these last are not stable yet);
OpenInference's, where its viewers need them; ``rag.`` for what neither has.
"""

from __future__ import annotations

from typing import Final

ERROR_TYPE: Final = "error.type"

HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
URL_PATH: Final = "url.path"

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_PARTITION: Final = "messaging.destination.partition.id"
MESSAGING_OPERATION: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
MESSAGING_BATCH_COUNT: Final = "messaging.batch.message_count"
MESSAGING_MESSAGE_ID: Final = "messaging.message.id"
KAFKA_KEY: Final = "messaging.kafka.message.key"
KAFKA_OFFSET: Final = "messaging.kafka.offset"
KAFKA: Final = "kafka"

DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
DB_TOP_SCORE: Final = "db.vector.query.top_score"

GEN_AI_OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_REQUEST_TOP_K: Final = "gen_ai.request.top_k"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_EMBEDDING_DIMENSION: Final = "gen_ai.embeddings.dimension.count"
GEN_AI_WORKFLOW: Final = "gen_ai.workflow.name"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_EVALUATION: Final = "gen_ai.evaluation.result"
"""An event."""
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
GEN_AI_EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"

OPENINFERENCE_KIND: Final = "openinference.span.kind"
RETRIEVAL_DOCUMENTS: Final = "retrieval.documents"
RERANKER_TOP_K: Final = "reranker.top_k"
DOCUMENT_ID: Final = "document.id"
DOCUMENT_SCORE: Final = "document.score"
DOCUMENT_CONTENT: Final = "document.content"
INPUT_VALUE: Final = "input.value"
OUTPUT_VALUE: Final = "output.value"

RAG_OUTCOME: Final = "rag.outcome"
RAG_READ_PASSAGES: Final = "rag.reader.passages"
RAG_NULL_ODDS: Final = "rag.reader.null_odds"
RAG_CACHED: Final = "rag.cached"
RAG_REVISION: Final = "rag.document.revision"
RAG_CHUNKS: Final = "rag.chunks"
RAG_CHUNKS_FRESH: Final = "rag.chunks_fresh"
RAG_WRITE_OUTCOME: Final = "rag.write.outcome"
RAG_DROP_REASON: Final = "rag.drop.reason"
RAG_DLQ_ORIGIN: Final = "rag.dlq.origin"
RAG_STAGE: Final = "rag.stage"
RAG_CONTEXT_TOKENS: Final = "rag.context_tokens"
RAG_DOCUMENTS_DROPPED: Final = "rag.documents_dropped"
RAG_RETRIEVED: Final = "rag.retrieved_documents"
RAG_INGEST_TRACE: Final = "rag.ingest_trace_id"
