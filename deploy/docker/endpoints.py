"""Health and metrics of containers whose ports nobody publishes: asked from inside them."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.docker.containers import Container
from deploy.docker.engine import StackFailed, run_command
from deploy.http_client import Response, Unreachable

PORTS = {"producer": 9101, "processor": 9102, "api": 8000}
"""Of our services, in their containers."""

_PROGRAM = Path(__file__).parent / "inside" / "http_get.py"


def fetch_inside(container: Container, path: str) -> Response:
    """:raises Unreachable: the service does not answer, or nothing can be run in its container."""
    url = f"http://127.0.0.1:{PORTS[container.service]}{path}"
    try:
        output = run_command(
            ["docker", "exec", "--interactive", container.id, "python", "-I", "-S", "-", url],
            stdin=_PROGRAM.read_text(encoding="utf-8"),
            timeout=60,
        )
        answer = json.loads(output)
    except (StackFailed, ValueError) as error:
        raise Unreachable(f"{container.label}: {error}") from None
    if not answer["status"]:
        raise Unreachable(f"{container.label}{path}: {answer['text']}")
    return Response(answer["status"], answer["text"], f"GET {path} of {container.label}")
