"""Traces of one process: spans to an OTLP receiver where one is set, else ids alone."""

from __future__ import annotations

import logging
import uuid
from importlib.metadata import version
from urllib.parse import unquote

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import sampling
from opentelemetry.util.re import parse_env_headers

from shared.observability.otlp_exporter import OtlpExporter
from shared.observability.recording import RecordingProvider
from shared.observability.span_export import BoundedSpanProcessor, SpanCounts
from shared.observability.trace_ids import IdProvider
from shared.settings import TracingSettings

_NAMESPACE = "live-rag"
_FLUSH_SECONDS = 5.0
_SDK_LOGGERS = ("opentelemetry.exporter.otlp", "opentelemetry.sdk._shared_internal")


class Tracing:
    """Made by ``configure_tracing``."""

    def __init__(self, provider: trace.TracerProvider, processor: BoundedSpanProcessor | None) -> None:
        self.provider = provider
        self._processor = processor

    @property
    def exports(self) -> bool:
        return self._processor is not None

    def close(self) -> None:
        """Export what waits, within seconds; nothing is exported afterwards."""
        if self._processor is not None:
            self._processor.close(_FLUSH_SECONDS)


def configure_tracing(service: str, settings: TracingSettings, counts: SpanCounts) -> Tracing:
    """Trace the process. Call once, from the composition root, and close the result last."""
    tracing = build_tracing(service, settings, counts)
    trace.set_tracer_provider(tracing.provider)
    return tracing


def build_tracing(service: str, settings: TracingSettings, counts: SpanCounts) -> Tracing:
    """As ``configure_tracing``, but for nobody in particular."""
    url = settings.traces_url
    if url is None:
        return Tracing(IdProvider(), None)
    for name in _SDK_LOGGERS:  # a line for each attempt; ours is one a minute
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resource = _resource(service, settings)
    processor = BoundedSpanProcessor(
        _exporter(url, resource, settings),
        counts,
        url=url,
        max_queue_size=settings.bsp_max_queue_size,
        max_batch_size=settings.bsp_max_export_batch_size,
        delay_ms=settings.bsp_schedule_delay,
    )
    return Tracing(RecordingProvider(_sampler(settings), resource, processor), processor)


def _exporter(url: str, resource: Resource, settings: TracingSettings) -> OtlpExporter:
    headers = settings.exporter_otlp_headers
    certificate, key, client = (
        str(path) if path else None
        for path in (
            settings.exporter_otlp_certificate,
            settings.exporter_otlp_client_key,
            settings.exporter_otlp_client_certificate,
        )
    )
    return OtlpExporter(
        resource,
        url,
        certificate_file=certificate,
        client_key_file=key,
        client_certificate_file=client,
        headers=parse_env_headers(headers.get_secret_value(), liberal=True) if headers else None,
        timeout=settings.exporter_otlp_timeout / 1000,
        compression=Compression(settings.exporter_otlp_compression),
    )


def _sampler(settings: TracingSettings) -> sampling.Sampler:
    kind = settings.traces_sampler.removeprefix("parentbased_")
    root: sampling.Sampler = sampling.TraceIdRatioBased(settings.traces_sampler_arg)
    if kind != "traceidratio":
        root = sampling.ALWAYS_ON if kind == "always_on" else sampling.ALWAYS_OFF
    return sampling.ParentBased(root) if kind != settings.traces_sampler else root


def _resource(service: str, settings: TracingSettings) -> Resource:
    """What was set wins over what we know ourselves."""
    attributes = {
        "service.namespace": _NAMESPACE,
        "service.name": service,
        "service.version": version(_NAMESPACE),
        "service.instance.id": str(uuid.uuid4()),
    }
    for pair in filter(str.strip, settings.resource_attributes.split(",")):
        name, _, value = pair.partition("=")
        attributes[name.strip()] = unquote(value.strip())
    if settings.service_name:
        attributes["service.name"] = settings.service_name
    return Resource.create(attributes)
