from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from shared.errors import ConfigurationError
from shared.lifecycle import Lifecycle, run_service


@pytest.fixture(autouse=True)
def _restore_signal_handlers() -> object:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_closes_newest_first_and_once() -> None:
    order: list[str] = []
    lifecycle = Lifecycle()
    lifecycle.on_close("store", lambda: order.append("store"))
    lifecycle.on_close("consumer", lambda: order.append("consumer"))
    assert lifecycle.close()
    assert lifecycle.close()
    assert order == ["consumer", "store"]


def test_one_that_fails_or_hangs_does_not_keep_the_others_open() -> None:
    closed: list[str] = []
    release = threading.Event()
    lifecycle = Lifecycle(close_timeout=2.0)
    lifecycle.on_close("first", lambda: closed.append("first"))
    lifecycle.on_close("hangs", release.wait)
    lifecycle.on_close("fails", lambda: 1 / 0)
    assert not lifecycle.close()
    release.set()
    assert closed == ["first"]


def test_a_signal_stops_the_service_cleanly() -> None:
    closed: list[str] = []

    def main(lifecycle: Lifecycle) -> None:
        lifecycle.on_close("part", lambda: closed.append("part"))
        os.kill(os.getpid(), signal.SIGTERM)
        assert lifecycle.stop.wait(30)

    assert run_service("test", main) == 0
    assert closed == ["part"]


@pytest.mark.timeout(60)
def test_a_signal_while_the_main_thread_holds_the_event_does_not_block() -> None:
    lifecycle = Lifecycle()
    lifecycle.install_signal_handlers()
    with lifecycle.stop._cond:  # type: ignore[attr-defined] # as inside wait() or is_set()
        os.kill(os.getpid(), signal.SIGTERM)
    assert lifecycle.stop.wait(30)


def test_a_wrong_setting_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_: Lifecycle) -> None:
        raise ConfigurationError("KAFKA_PARTITIONS=x: must be a number")

    assert run_service("processor", main) == 2
    assert capsys.readouterr().err == "processor: KAFKA_PARTITIONS=x: must be a number\n"


def test_a_failure_in_another_thread_ends_the_process_as_if_main_had_raised_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main(lifecycle: Lifecycle) -> None:
        thread = threading.Thread(
            target=lambda: [lifecycle.fail(ConfigurationError(f"LLM_MODEL={name}")) for name in ("x", "y")]
        )
        thread.start()
        assert lifecycle.stop.wait(60)
        thread.join()

    assert run_service("api", main) == 2
    assert capsys.readouterr().err == "api: LLM_MODEL=x\n"


def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_: Lifecycle) -> None:
        raise OSError(28, "No space left on device", "store.sqlite")

    assert run_service("processor", main) == 1
    assert capsys.readouterr().err == "processor: No space left on device (store.sqlite)\n"


def test_a_crash_is_not_logged_as_a_clean_end(caplog: pytest.LogCaptureFixture) -> None:
    def main(_: Lifecycle) -> None:
        raise RuntimeError("a bug")

    with caplog.at_level(logging.INFO), pytest.raises(RuntimeError):
        run_service("test", main)
    [stopped] = [record for record in caplog.records if record.message == "stopped"]
    assert vars(stopped)["exit_code"] == 1
