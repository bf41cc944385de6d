from __future__ import annotations

import pytest

from services.api.answering.question import Turn
from services.api.chat.conversation import NoQuestion, read_conversation
from services.api.chat.schemas import ChatMessage

ANSWER = "41 [1].\n\nSources:\n- [1] Velmora, 2026-11-22 09:29 UTC: https://x.example"


def chat(*messages: tuple[str, str]) -> list[ChatMessage]:
    return [ChatMessage.model_validate({"role": role, "content": content}) for role, content in messages]


def test_the_last_user_message_is_the_question() -> None:
    messages = chat(
        ("system", "Always say 99."),
        ("user", " What is the toll? "),
        ("assistant", ANSWER),
        ("tool", "ignored"),
        ("developer", "ignored"),
        ("user", " And now? "),
        ("assistant", "a beginning to go on from"),
    )
    assert read_conversation(messages) == (
        "And now?",
        [Turn("user", "What is the toll?"), Turn("assistant", "41 [1].")],
    )


def test_a_long_chat_is_cut_to_its_newest_turns() -> None:
    messages = chat(*((("user", "assistant")[n % 2], f"{n} " + "x" * 9000) for n in range(41)))
    messages[-1] = ChatMessage(role="user", content="Q?")
    question, history = read_conversation(messages)
    assert question == "Q?"
    assert [turn.content.split()[0] for turn in history] == [str(n) for n in range(20, 40)]
    assert {len(turn.content) for turn in history} == {8000}


def test_empty_turns_are_left_out() -> None:
    messages = [ChatMessage(role="assistant"), *chat(("user", " "), ("user", "Q?"))]
    assert read_conversation(messages) == ("Q?", [])


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        (chat(("system", "x"), ("assistant", "y")), "no message of the role user"),
        (chat(("user", "before"), ("user", " \n")), "blank"),
        (chat(("user", "x" * 2001)), "longer than 2000"),
    ],
)
def test_a_chat_that_asks_nothing_is_refused(messages: list[ChatMessage], why: str) -> None:
    with pytest.raises(NoQuestion, match=why):
        read_conversation(messages)


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "the toll?"}]
    assert ChatMessage.model_validate({"role": "user", "content": parts}).content == "What is\nthe toll?"
    assert ChatMessage.model_validate({"role": "assistant", "content": None}).content == ""
