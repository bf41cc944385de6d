from __future__ import annotations

import json
import shlex
from pathlib import Path

from deploy.local.configuration import ROOT, Stack
from deploy.local.settings import LocalStackSettings
from deploy.local.summary import summary
from deploy.paths import display_path


def summary_of(data_dir: Path, question: str = "Who won?") -> str:
    stack = Stack(LocalStackSettings(_env_file=None, data_dir=data_dir))  # type: ignore[call-arg]
    return summary({**stack.facts("replay"), "question": question}, "the-key")


def test_the_curl_line_can_be_pasted_whatever_the_question() -> None:
    question = 'Who\'s "first"? – $HOME'
    text = summary_of(ROOT / "data", question)
    command = text[text.index("curl") :].split("\n\n")[0]
    words = shlex.split(command)
    assert json.loads(words[words.index("-d") + 1]) == {"question": question}
    assert "Authorization: Bearer the-key" in words
    assert "http://127.0.0.1:8000/v1/ask" in words


def test_it_names_the_key_file_the_page_and_how_to_stop() -> None:
    text = summary_of(ROOT / "data")
    for part in (
        "data/api-keys",
        "http://127.0.0.1:8000/docs",
        "9101/metrics",
        " ./stop.sh",
        " ./logs.sh api",
    ):
        assert part in text


def test_the_commands_find_a_stack_in_another_folder() -> None:
    assert "DATA_DIR='/srv/my data' ./stop.sh" in summary_of(Path("/srv/my data"))


def test_it_names_prometheus_where_one_runs() -> None:
    settings = LocalStackSettings(_env_file=None, data_dir=ROOT / "data")  # type: ignore[call-arg]
    facts = {**Stack(settings, prometheus=True).facts("replay"), "question": "Who won?"}
    text = summary(facts, "the-key")
    assert "http://127.0.0.1:9090/alerts" in text
    assert ", prometheus)" in text  # among the logs
    assert "9090" not in summary_of(ROOT / "data")


def test_paths_are_short_inside_the_project() -> None:
    assert display_path(ROOT / "data" / "logs") == "data/logs"
    assert display_path("/srv/rag") == "/srv/rag"
