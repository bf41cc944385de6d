"""``python -m deploy.smoke``: the smoke test of the stack that runs, in whichever mode."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deploy.docker.layout import Layout
from deploy.env_file import data_dir, read_settings
from deploy.paths import ROOT, display_path
from deploy.running import running_mode
from deploy.smoke.checks import SmokeTest, Target
from shared.errors import RagError


def main() -> int:
    os.chdir(ROOT)
    folder = data_dir(read_settings())
    try:
        target = _target(running_mode(folder), folder)
    except RagError as error:
        print(f"test.sh: {error}", file=sys.stderr)
        return 1
    if target is None:
        where = display_path(folder)
        print(f"test.sh: no stack is running ({where}); ./start.sh starts one", file=sys.stderr)
        return 1
    return 1 if SmokeTest(target).run() else 0


def _target(mode: str | None, folder: Path) -> Target | None:
    """What the mode that runs has to say of itself; each needs what the other may be without."""
    if mode == "docker":
        from deploy.docker.smoke import docker_target

        return docker_target(Layout(folder))
    if mode == "local":
        from deploy.local.smoke import local_target

        return local_target()
    return None


if __name__ == "__main__":
    sys.exit(main())
