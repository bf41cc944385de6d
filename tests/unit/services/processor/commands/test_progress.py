from __future__ import annotations

import sys

import pytest

from services.processor.commands.progress import Progress


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("copying", "documents", line_seconds=0) as progress:
        progress.show(1_000, 20_000)
        progress.show(2_000, None)
    assert capsys.readouterr().err == "copying: 1,000 of 20,000 documents\ncopying: 2,000 documents\n"


def test_but_not_more_often(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("copying", "documents", line_seconds=3_600) as progress:
        progress.show(1, 2)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("copying", "documents") as progress:
        progress.show(1, 4)
    shown = capsys.readouterr()
    assert "copying" in shown.err
    assert shown.out == ""
