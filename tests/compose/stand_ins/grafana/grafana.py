#!/opt/stand-ins/bin/python
"""Grafana's health, login, data sources (with its proxy) and dashboards over HTTP, without its pages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import yaml

sys.path.insert(0, "/opt/grafana")
from provisioning import Provisioned, UnusableProvisioning, read_provisioning

_DATA = Path("/var/lib/grafana")


def read_password(environment: Mapping[str, str]) -> str:
    """From GF_SECURITY_ADMIN_PASSWORD__FILE, GF_SECURITY_ADMIN_PASSWORD or, as Grafana does, ``admin``."""
    if file := environment.get("GF_SECURITY_ADMIN_PASSWORD__FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return environment.get("GF_SECURITY_ADMIN_PASSWORD") or "admin"


def kept_hash(password: str) -> str:
    """The first password counts for as long as the volume lives, as in Grafana's database."""
    file = _DATA / "grafana.db"
    if not file.exists():
        salt = secrets.token_hex(8)
        file.write_text(f"{salt}:{_hash(salt, password)}", encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _hash(salt: str, password: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=1 << 12, r=8, p=1).hex()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    user: ClassVar[str]
    kept: ClassVar[str]
    provisioned: ClassVar[Provisioned]

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes | None) -> None:
        if self.path == "/api/health":
            self._send(200, {"database": "ok", "version": "stand-in"})
        elif self.path == "/login" and body is not None:
            asked = json.loads(body)
            known = self._knows(asked.get("user", ""), asked.get("password", ""))
            message = "Logged in" if known else "Invalid username or password"
            self._send(200 if known else 401, {"message": message})
        elif not self._is_authorized():
            self._send(401, {"message": "Unauthorized"})
        else:
            self._authorized(self.path.strip("/").split("/"), body)

    def _authorized(self, path: list[str], body: bytes | None) -> None:
        known = self.provisioned
        match path:
            case ["api", "search"]:
                self._send(
                    200,
                    [{"uid": uid, "title": board.get("title")} for uid, board in known.dashboards.items()],
                )
            case ["api", "datasources"]:
                self._send(200, list(known.datasources.values()))
            case ["api", "dashboards", "uid", uid] if uid in known.dashboards:
                self._send(200, {"dashboard": known.dashboards[uid]})
            case ["api", "datasources", "proxy", "uid", uid, *rest] if uid in known.datasources:
                self._forward(f"{known.datasources[uid]['url']}/{'/'.join(rest)}", body)
            case _:
                self._send(404, {"message": "Not found"})

    def _forward(self, url: str, body: bytes | None) -> None:
        headers = (
            {"Content-Type": self.headers.get("Content-Type", "application/octet-stream")} if body else {}
        )
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
                self._send(answer.status, json.loads(answer.read()))
        except (urllib.error.URLError, ValueError) as error:
            self._send(502, {"message": f"{url}: {error}"})

    def _is_authorized(self) -> bool:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return False
        user, _, password = base64.b64decode(given).decode(errors="replace").partition(":")
        return self._knows(user, password)

    def _knows(self, user: str, password: str) -> bool:
        salt, _, kept = self.kept.partition(":")
        return user == self.user and hmac.compare_digest(_hash(salt, password), kept)

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Requests are not of interest."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(os.environ.get("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"))
    try:
        _Handler.provisioned = read_provisioning(folder)
        _Handler.kept = kept_hash(read_password(os.environ))
    except (UnusableProvisioning, OSError, yaml.YAMLError) as error:
        print(f"grafana stand-in: {error}", file=sys.stderr)
        return 1
    _Handler.user = os.environ.get("GF_SECURITY_ADMIN_USER", "admin")
    port = int(os.environ.get("GF_SERVER_HTTP_PORT", "3000"))
    ThreadingHTTPServer(("0.0.0.0", port), _Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
