from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import context as active

from shared.observability.log import configure_logging
from shared.observability.trace_context import extract_context
from shared.settings import ObservabilitySettings


@pytest.fixture(autouse=True)
def _restore_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_carries_service_and_trace_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", ObservabilitySettings())
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    token = active.attach(extract_context([("traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode())]))
    try:
        logging.getLogger("x").info("hello", extra={"path": "a\nb"})
    finally:
        active.detach(token)
    [line] = capsys.readouterr().out.splitlines()
    entry = json.loads(line)
    assert (entry["message"], entry["level"], entry["service"]) == ("hello", "INFO", "api")
    assert entry["trace_id"] == trace_id
    assert entry["path"] == "a\nb"


def test_a_text_line_stays_one_line_whatever_a_client_sent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", ObservabilitySettings(log_format="text"))
    logging.getLogger("x").info("request", extra={"path": "/\n2026-11-22 ERROR forged", "status": 404})
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith("INFO x request path='/\\n2026-11-22 ERROR forged' status=404")
