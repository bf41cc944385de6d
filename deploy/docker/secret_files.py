"""The secrets of the stack in containers: made once, readable by one user alone."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from deploy.api_key import ensure_api_key
from deploy.docker.layout import Layout
from deploy.paths import ROOT, display_path
from shared.errors import ConfigurationError

CONTAINER_USER = (10001, 10001)
"""Where root starts the stack; elsewhere its containers run as who starts it."""

ACL_TEMPLATE = ROOT / "deploy" / "docker" / "redis" / "users.acl.template"

_EXPORTER_ADDRESS = "redis://exporter@redis:6379"


def choose_owner(layout: Layout) -> tuple[int, int]:
    """The uid and gid that secrets belong to and containers run as; those of the first start ever after.

    :raises ConfigurationError: they belong to another user."""
    if not hasattr(os, "getuid"):  # Windows: files of the host have no uid that a container sees
        return CONTAINER_USER
    caller = (os.getuid(), os.getgid())
    if layout.secrets.exists():
        status = layout.secrets.stat()
        if caller[0] not in (0, status.st_uid):
            raise ConfigurationError(
                f"{display_path(layout.secrets)} belongs to uid {status.st_uid}, who started the stack first:"
                " start it as that user, or remove its data with ./stop.sh --clean as that user"
            )
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
    return CONTAINER_USER if caller[0] == 0 else caller


def write_secrets(layout: Layout, owner: tuple[int, int], settings: Mapping[str, str]) -> list[str]:
    """Make what is missing, and nothing else anew; the names of what was made.

    ``OPENAI_API_KEY`` is the user's, so its file follows the setting."""
    for folder in (layout.folder, layout.secrets, layout.acl_file.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout.acl_file.parent.chmod(0o755)
    before = {path.name for path in layout.secrets.iterdir()}
    ensure_api_key(layout.secrets / "api_keys")
    password = _made_once(layout.secrets / "redis_password", secrets.token_urlsafe(32))
    exporter = _made_once(
        layout.secrets / "redis_exporter_password", json.dumps({_EXPORTER_ADDRESS: secrets.token_urlsafe(32)})
    )
    _made_once(layout.secrets / "grafana_admin_password", secrets.token_urlsafe(18))
    key = settings.get("OPENAI_API_KEY", "")
    if _made_once(layout.secrets / "openai_api_key", key) != key and key:
        _replace(layout.secrets / "openai_api_key", key, 0o600)
    acl = acl_text(
        ACL_TEMPLATE.read_text(encoding="utf-8"), password, json.loads(exporter)[_EXPORTER_ADDRESS]
    )
    if not layout.acl_file.exists() or layout.acl_file.read_text(encoding="utf-8") != acl:
        _replace(layout.acl_file, acl, 0o644)
    _give(layout, owner)
    return sorted({path.name for path in layout.secrets.iterdir()} - before)


def acl_text(template: str, rag: str, exporter: str) -> str:
    """Redis' users with the hashes of their passwords."""
    return template.format(rag_sha256=_sha256(rag), exporter_sha256=_sha256(exporter))


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _made_once(path: Path, value: str) -> str:
    """The content of ``path``, which gets ``value`` where there is no such file yet.

    No newline at the end: some readers would take it for a part of the password."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(value)
    return value


def _replace(path: Path, text: str, mode: int) -> None:
    """In place: a file that is mounted into a container is known by its inode."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    path.chmod(mode)


def _give(layout: Layout, owner: tuple[int, int]) -> None:
    layout.secrets.chmod(0o700)
    for path in (layout.secrets, *layout.secrets.iterdir()):
        if path != layout.secrets:
            path.chmod(0o600)
        if hasattr(os, "getuid") and os.getuid() == 0:
            os.chown(path, *owner)
