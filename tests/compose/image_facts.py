"""Runs inside an image, from standard input: what is in it, as JSON."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

packages = {
    item.metadata["Name"]: {"version": item.version, "requires": item.requires or []}
    for item in distributions(path=[path for path in sys.path if "/opt/venv" in path])
}
print(
    json.dumps(
        {
            "packages": packages,
            "python": ".".join(map(str, sys.version_info[:3])),
            "app": sorted(path.as_posix() for path in Path("/app").iterdir()),
            "services": sorted(path.name for path in Path("/app/services").iterdir() if path.is_dir()),
            "unreadable": [
                str(path)
                for top in ("/app", "/opt/venv", "/usr/share/sbom")
                for path in Path(top).rglob("*")
                if not os.access(path, os.R_OK)
            ],
            "uncompiled": [
                str(path)
                for path in Path("/app").rglob("*.py")
                if path.name != "healthcheck.py"
                and not list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc"))
            ],
            "wheels_and_caches": [
                str(path)
                for top in ("/root", "/opt", "/build", "/var/cache/apt/archives", "/tmp")
                for pattern in ("*.whl", "*.deb", "pip")
                for path in Path(top).rglob(pattern)
                if path.is_file() or path.parent.name == ".cache"
            ],
            "compilers": [
                name for name in ("cc", "gcc", "g++", "clang", "make", "cargo") if shutil.which(name)
            ],
            "pip_configuration": subprocess.run(
                ["/usr/bin/env", "python3", "-m", "pip", "config", "list"],
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"},
            ).stdout,
            "certificates": hashlib.sha256(
                Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
            ).hexdigest(),
            "sbom": {path.name: path.read_text() for path in Path("/usr/share/sbom").glob("*.json")},
        }
    )
)
