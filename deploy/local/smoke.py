"""The running local stack, as the smoke test wants it."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.api_key import read_api_key
from deploy.http_client import HttpClient
from deploy.local.configuration import Stack, read_environment
from deploy.local.facts import read_facts
from deploy.local.settings import LocalStackSettings
from deploy.local.supervisor import Supervisor
from deploy.smoke.checks import Target
from shared.settings import load_settings


def local_target() -> Target | None:
    """``None``: none runs."""
    os.environ.update(read_environment())
    stack = Stack(load_settings(LocalStackSettings))
    facts = read_facts(stack)
    if facts is None or not Supervisor(stack).answers():
        return None
    return Target(
        api_url=facts["urls"]["api"],
        key=read_api_key(Path(facts["key_file"])),
        processes={
            name: HttpClient(url.removesuffix("/metrics")).get for name, url in facts["metrics"].items()
        },
        prometheus=facts["urls"].get("prometheus"),
    )
