"""What long work tells a user: builds, and the model's download."""

from __future__ import annotations

import pytest

from deploy.docker.build_progress import BuildProgress
from deploy.docker.model_pull import PullProgress

CLASSIC = """\
Sending build context to Docker daemon  1.2MB
Step 1/5 : FROM python:3.13.15-slim AS packages
 ---> 22d32b75a784
Step 2/5 : RUN pip   install --no-deps x
 ---> Using cache
 ---> 3d70ff69f9e5
Step 3/5 : COPY shared shared
 ---> 8f976171dd78
Step 4/5 : RUN python -m compileall .
 ---> Running in c94b9c231178
Listing '.'...
Step 5/5 : LABEL a=b
 ---> Running in c94b9c231179
"""

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#5 [packages 1/3] FROM docker.io/library/python:3.13.15-slim
#5 DONE 1.0s
#6 [processor processor-packages 2/3] RUN pip install x
#6 CACHED
#7 [code 3/9] RUN python -m compileall .
#7 0.312 Listing '.'...
#7 0.400 Listing 'shared'...
#7 DONE 0.5s
"""


def told(output: str) -> list[str]:
    progress = BuildProgress("api")
    return [line for text in output.splitlines() if (line := progress.take(text)) is not None]


def test_the_classic_builder_tells_what_it_runs_and_not_what_it_had() -> None:
    assert told(CLASSIC) == ["  api          step 4/5: RUN python -m compileall ."]


def test_buildkit_tells_the_same_with_the_stage() -> None:
    assert told(BUILDKIT) == ["  api          step code 3/9: RUN python -m compileall ."]


def test_a_long_command_is_cut() -> None:
    (line,) = told(f"Step 1/1 : RUN {'x' * 500}\n ---> Running in 1\n")
    assert len(line) < 120
    assert line.endswith("…")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_download_is_told_in_percent_and_megabytes_and_not_a_thousand_times() -> None:
    clock = Clock()
    progress = PullProgress(clock, repeat_after=5)
    assert progress.take({"status": "waiting", "model": "m"}) is None
    assert progress.take({"status": "pulling manifest"}) == "  model            pulling manifest"
    assert progress.take({"status": "pulling manifest"}) is None
    layer = {"status": "pulling 4ad6", "total": 986_000_000}
    assert progress.take(layer) == "  model            pulling 4ad6: 0 %  (0 of 986 MB)"
    clock.now = 4.9
    assert progress.take({**layer, "completed": 400_000_000}) is None
    clock.now = 5.0
    assert progress.take({**layer, "completed": 493_000_000}) == (
        "  model            pulling 4ad6: 50 %  (493 of 986 MB)"
    )
    assert progress.take({**layer, "completed": 986_000_000}) == (
        "  model            pulling 4ad6: 100 %  (986 of 986 MB)"
    )
    assert progress.take({**layer, "completed": 986_000_000}) is None


@pytest.mark.parametrize("report", [{}, {"status": "success"}, {"status": "x", "total": 0}])
def test_reports_without_figures_are_no_trouble(report: dict[str, object]) -> None:
    assert PullProgress().take(report) in (None, "  model            x")
