"""The OTLP exporter, with an encoding that leaves more of the processor to the work; see ADR 23."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from shared.observability.otlp_encoding import encode_spans


class OtlpExporter(OTLPSpanExporter):
    """Connection, retries, headers, certificates and compression are the library's."""

    def __init__(self, resource: Resource, endpoint: str, **options: Any) -> None:
        """``resource``: what all spans have; ``options``: of ``OTLPSpanExporter``."""
        super().__init__(endpoint, **options)
        self._resource = resource

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        answer = self._client.export(encode_spans(spans, self._resource))
        return SpanExportResult.SUCCESS if answer.success else SpanExportResult.FAILURE
