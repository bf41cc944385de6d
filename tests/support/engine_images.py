"""Images for tests without a registry: the base is made by debootstrap, what stands on it is built.

What an image is made from decides its tag, so that nothing is made twice and nothing stale is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.pip_settings import PipSettings, pip_settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("producer", "processor", "api")
REVISION = "0123456789abcdef"
"""What the images say that they were made of; tests do not ask git."""
_PREFIX = "live-rag-test"
_SUITE = "trixie"
_PACKAGES = "ca-certificates,python3,python3-venv,python3-pip"
# As in the official image: pip installs without asking for a virtual environment, and no manuals.
_FINISH = """
set -eu
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED "$1"/etc/resolv.conf "$1"/etc/hostname
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*
rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*
rm -f "$1"/var/log/*.log "$1"/var/log/apt/*
ln -s python3 "$1/usr/bin/python"
tar --numeric-owner -C "$1" -cf "$1.tar" .
"""
_PIP_CONFIGURATION = """
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
"""


def base_image(engine: Engine) -> str:
    """The tag of Debian trixie with ``python3``, ``python`` and ``pip`` as ``python:3.13-slim`` has them.
    It knows nothing of this machine."""
    tag = _tag("python", _SUITE, _PACKAGES, _FINISH)
    _make_once(engine, tag, lambda: _import_debian(engine, tag))
    return tag


def build_image(engine: Engine) -> str:
    """The tag of ``base_image`` with this machine's certificates and settings of pip: for the stages in which
    packages are installed, never for what a service runs in."""
    settings: PipSettings = pip_settings()
    return debian_image(
        engine,
        "build",
        _PIP_CONFIGURATION,
        {"pip.conf": settings.configuration, "ca-certificates.crt": settings.certificates},
    )


def debian_image(
    engine: Engine, name: str, dockerfile: str, files: Mapping[str, str | bytes | Path] | None = None
) -> str:
    """The tag of an image on ``base_image``. ``dockerfile`` is what follows its FROM line; ``files`` are what
    it may COPY, as texts, as bytes or as files of this machine. ``apt-get`` works in it."""
    base = base_image(engine)
    contents = {path: _content(source) for path, source in sorted((files or {}).items())}
    tag = _tag(name, base, dockerfile, *(part for item in contents.items() for part in item))

    def make() -> None:
        with _folder() as context:
            (context / "Dockerfile").write_text(f"FROM {base}\n{dockerfile}")
            for path, content in contents.items():
                target = context / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                source = (files or {})[path]
                if isinstance(source, Path):
                    shutil.copymode(source, target)
            engine.build(context, tag)

    _make_once(engine, tag, make)
    return tag


def service_images(engine: Engine) -> dict[str, str]:
    """The tags of the shipped Dockerfile's images on these bases, by service."""
    arguments = [
        *("--build-arg", f"PYTHON_IMAGE={build_image(engine)}"),
        *("--build-arg", f"RUNTIME_IMAGE={base_image(engine)}"),
        *("--build-arg", f"REVISION={REVISION}"),
    ]
    # The engine's own cache decides what has changed.
    with _alone("services"):
        return {
            service: engine.build(ROOT, _tag(service, str(ROOT)), "--target", service, *arguments)
            for service in SERVICES
        }


def _import_debian(engine: Engine, tag: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("base images are made by debootstrap, which needs root")
    if shutil.which("debootstrap") is None:
        pytest.skip("base images are made by debootstrap, which is not installed")
    with _folder() as folder:
        root = folder / "root"
        engine.logged(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)],
            f"making {tag} (once; about 80 s)",
            timeout=900,
        )
        engine.logged(["sh", "-c", _FINISH, "finish", str(root)], f"packing {tag}", timeout=300)
        engine.logged(
            ["docker", "import", "--change", 'CMD ["python3"]', f"{root}.tar", tag],
            f"importing {tag}",
            timeout=300,
        )


def _content(source: str | bytes | Path) -> bytes:
    if isinstance(source, Path):
        return source.read_bytes()
    return source.encode() if isinstance(source, str) else source


def _make_once(engine: Engine, tag: str, make: Callable[[], None]) -> None:
    if engine.has_image(tag):
        return
    with _alone(tag):
        if not engine.has_image(tag):
            make()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="image-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process of this machine at a time."""
    path = Path(tempfile.gettempdir()) / f"{_PREFIX}-{name.replace('/', '-').replace(':', '-')}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tag(name: str, *ingredients: str | bytes) -> str:
    digest = hashlib.sha256()
    for ingredient in ingredients:
        digest.update(ingredient.encode() if isinstance(ingredient, str) else ingredient)
        digest.update(b"\0")
    return f"{_PREFIX}/{name}:{digest.hexdigest()[:12]}"
