from __future__ import annotations

import pytest

from services.processor.commands import run_command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dlq"], "COMMAND"),
        (["requeue"], "requeue"),
        (["dlq", "show"], "PLACE"),
        (["dlq", "show", "17"], "3@17"),
        (["dlq", "list", "--since", "soon"], "500ms, 5s, 10m"),
        (["dlq", "list", "--limit", "0"], "at least 1"),
        (["dlq", "list", "--reason", "bad_luck"], "malformed_json"),
        (["dlq", "redrive"], "one of the arguments"),
        (["dlq", "redrive", "3@17", "--all"], "not allowed with"),
        (["dlq", "redrive", "--all", "--reason", "too_large"], "not allowed with"),
    ],
)
def test_what_it_does_not_know_is_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_command(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_help_says_what_a_redrive_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_command(["dlq", "redrive", "--help"])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in ("Redriving twice is harmless", "comes back to KAFKA_DLQ_TOPIC", "Exit codes: 0 done"):
        assert part in text
