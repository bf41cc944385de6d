"""Logs: one JSON object a line on stdout, with the ids of the current trace."""

from __future__ import annotations

import logging
import sys
import time

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from shared.settings import ObservabilitySettings


class _TraceIds(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        record.service = self._service
        record.trace_id = f"{context.trace_id:032x}" if context.is_valid else None
        record.span_id = f"{context.span_id:016x}" if context.is_valid else None
        return True


class _TextFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    _known = frozenset(vars(logging.makeLogRecord({}))) | {
        "message", "asctime", "service", "trace_id", "span_id", "taskName",
    }  # fmt: skip

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in self._known}
        suffix = "".join(f" {name}={_on_one_line(value)}" for name, value in extra.items())
        return super().format(record) + suffix


def _on_one_line(value: object) -> str:
    """What a client sent must not look like a log line of ours."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def configure_logging(service: str, settings: ObservabilitySettings) -> None:
    """Route every logger of the process to stdout. Call once, from the composition root."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_TraceIds(service))
    handler.setFormatter(
        JsonFormatter(
            "{message}{levelname}{name}{service}{trace_id}{span_id}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
        )
        if settings.log_format == "json"
        else _TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("httpx", "httpcore", "sentence_transformers", "transformers", "faiss.loader"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
