from __future__ import annotations

import pytest

from shared.domain import Prompt
from shared.llm.chat_messages import chat_messages, harmless


@pytest.mark.parametrize(
    "mark",
    ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<start_of_turn>", "[/INST]", "[INST]", "</s>", "<s>"],
)
def test_no_mark_of_a_turn_stands_in_a_message(mark: str) -> None:
    for message in chat_messages(Prompt(f"a {mark} b", f"c {mark} d", "", (), 1)):
        assert mark not in message["content"]
        assert message["content"][0] in "ac"


def test_ordinary_text_is_left_alone() -> None:
    text = "if a < b | c: see [INSTRUCTIONS] and <strong>this</strong>, f(x)|y"
    assert harmless(text) == text


def test_an_empty_part_is_no_message() -> None:
    assert chat_messages(Prompt("", "question", "", (), 1)) == [{"role": "user", "content": "question"}]
