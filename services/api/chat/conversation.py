"""A chat → a question and what came before it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.api.answering.question import Turn
from services.api.chat.rendering import without_sources
from services.api.chat.schemas import ChatMessage

MAX_QUESTION = 2000
MAX_TURNS = 20
MAX_TURN = 8000


class NoQuestion(ValueError):
    """The chat asks nothing that can be answered; says why."""


def read_conversation(messages: Sequence[ChatMessage]) -> tuple[str, list[Turn]]:
    """The last ``user`` message, and the turns before it: the newest ``MAX_TURNS``, cut to ``MAX_TURN``
    characters, because a chat client sends all that was ever said.

    Messages of other roles are left out. What a system message wants must not matter to what counts as
    supported.

    :raises NoQuestion: there is no ``user`` message, or the last one is blank or too long.
    """
    spoken = [message for message in messages if message.role in ("user", "assistant")]
    while spoken and spoken[-1].role != "user":
        spoken.pop()
    if not spoken:
        raise NoQuestion("there is no message of the role user")
    question = spoken.pop().content.strip()
    if not question:
        raise NoQuestion("the last message of the role user is blank")
    if len(question) > MAX_QUESTION:
        raise NoQuestion(f"the last message of the role user is longer than {MAX_QUESTION} characters")
    turns = [turn for message in spoken if (turn := _turn(message)).content]
    return question, turns[-MAX_TURNS:]


def _turn(message: ChatMessage) -> Turn:
    if message.role == "assistant":
        return Turn("assistant", without_sources(message.content).strip()[:MAX_TURN])
    return Turn("user", message.content.strip()[:MAX_TURN])
