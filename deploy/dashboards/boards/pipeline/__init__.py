"""An edit's way: stream, producer, Kafka, processor, store."""

from __future__ import annotations

from deploy.dashboards.boards.pipeline.index import INDEX
from deploy.dashboards.boards.pipeline.kafka import KAFKA
from deploy.dashboards.boards.pipeline.stream import STREAM
from deploy.dashboards.boards.pipeline.way import WAY
from deploy.dashboards.model import Board

PIPELINE = Board(
    "live-rag-pipeline",
    "Live RAG: Pipeline",
    "From the edit to the index: stream, producer, Kafka, processor, store.",
    (WAY, STREAM, KAFKA, INDEX),
)
