"""A prompt as the messages of a chat."""

from __future__ import annotations

from shared.domain import Prompt


def chat_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Role and content, as the chat protocols have them."""
    messages = [
        {"role": "system", "content": harmless(prompt.system)},
        {"role": "user", "content": harmless(prompt.user)},
    ]
    return [message for message in messages if message["content"]]


def harmless(text: str) -> str:
    """Without the tokens that end one turn of a chat template and begin another: servers obey them in a
    document's text too."""
    for token, written in _TURNS.items():
        text = text.replace(token, written)
    return text


_TURNS = {
    "<|": "< |",
    "<start_of_turn>": "< start_of_turn>",
    "<end_of_turn>": "< end_of_turn>",
    "[INST]": "[ INST]",
    "[/INST]": "[ /INST]",
    "<s>": "< s>",
    "</s>": "< /s>",
}
"""Of ChatML, Llama 3, Phi, Granite (``<|``), Gemma, Mistral and Llama 2."""
