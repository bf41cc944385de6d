"""``python -m services.processor rebuild`` while others write and search; and killed at any time."""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing

import pytest

from shared.vector_store.factory import begin_rebuild
from tests.integration.rebuild.stage import EMBEDDER, TIMEOUT, Stage, expected
from tests.support.event_history import a_history
from tests.support.processes import wait_until


@pytest.mark.parametrize("origin", ["kafka", "stored"])
def test_others_write_and_search_all_the_time(stage: Stage, origin: str) -> None:
    seed = random.randrange(2**32)
    history = a_history(seed, events=1_500, poison=30)
    before, during, after = history[:900], history[900:1_400], history[1_400:]
    stage.send(before)
    stage.processor("first")
    stage.processor("second")
    wait_until(lambda: stage.contents() == expected(before), TIMEOUT, f"the start, seed {seed}", 0.3)
    searcher, search_log = stage.searcher("river bridge council")
    wait_until(lambda: search_log.read_text().count("\n") > 10, TIMEOUT, "searches")

    with stage.rebuild("--from", origin) as rebuild:
        for start in range(0, len(during), 25):
            stage.send(during[start : start + 25])
        output, errors = rebuild.communicate(timeout=TIMEOUT)
    assert rebuild.returncode == 0, f"{output}\n{errors}"
    assert "Switched to the new index: " in output
    searches = search_log.read_text().count("\n")
    stage.send(after)
    wait_until(
        lambda: stage.contents() == expected(history), TIMEOUT, f"as an undisturbed run, seed {seed}", 0.3
    )
    wait_until(lambda: search_log.read_text().count("\n") > searches + 10, TIMEOUT, "searches go on")
    assert searcher.poll() is None, search_log.read_text()[-2_000:]


def test_killed_at_any_moment_it_leaves_the_old_index(stage: Stage) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    history = a_history(seed, events=1_200, poison=0)
    stage.send(history[:600])
    stage.write(history)
    kills = 4 if stage.store["VECTOR_STORE"] == "faiss" else 1
    for _ in range(kills):
        with stage.rebuild("--from", "stored") as process:
            assert process.stdout is not None
            process.stdout.readline()  # the model is loaded
            delay = rng.uniform(0, 0.6)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        assert stage.contents() == expected(history), f"seed {seed}, killed after {delay:.2f} s"
    late = a_history(seed + 1, events=50, poison=0)
    stage.write(late)

    def second_rebuild() -> bool:  # where the store cannot see a death, the dead one's lease has to run out
        with stage.rebuild("--from", "kafka") as process:
            output, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0 or "another rebuild" in errors, f"{output}\n{errors}"
        return process.returncode == 0

    wait_until(second_rebuild, TIMEOUT, "a rebuild after the killed ones", 1.0)
    assert stage.contents() == expected([*history, *late]), f"seed {seed}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_one_line(stage: Stage, number: signal.Signals) -> None:
    history = a_history(7, events=3_000, poison=0)
    stage.write(history)
    with stage.rebuild("--from", "stored") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "rebuild: stopped; nothing was changed, the old index answers on"
    assert stage.contents() == expected(history)
    stage.rebuilt("--from", "stored")


def test_a_second_rebuild_is_refused_in_one_line(stage: Stage) -> None:
    stage.write(a_history(17, events=20, poison=0))
    with closing(begin_rebuild(stage.settings, embedder_name=EMBEDDER.name, dimension=EMBEDDER.dimension)):
        with stage.rebuild("--from", "stored") as process:
            _, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2
        [line] = errors.splitlines()
        assert line.startswith("rebuild: ")
        assert "another rebuild" in line
    stage.rebuilt("--from", "stored")
