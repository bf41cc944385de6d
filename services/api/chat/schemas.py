"""Bodies of ``/v1/chat/completions`` and ``/v1/models``, as OpenAI's clients write and read them.

A request may hold whatever else such clients send (``temperature``, ``max_tokens``, …): it has no meaning
here and is ignored. ``filters``, ``top_k``, ``recency`` and ``append_sources`` are ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.api.answering.events import AskResult
from services.api.filters import Filters
from services.api.schemas import CitationBody, Timestamp, WindowBody
from shared.domain import Outcome

MODEL = "live-rag"
"""The one model that there is: retrieval, generation and grounding together."""

_MAX_MESSAGES = 1000


def _text_of(content: object) -> object:
    """OpenAI's clients write a text, or a list of parts; ``null`` where a message only calls tools."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError('only text is taken: a string, or parts {"type": "text", "text": "…"}')
        texts.append(part["text"])
    return "\n".join(texts)


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class ChatMessage(_Request):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, BeforeValidator(_text_of)] = ""


class StreamOptions(_Request):
    include_usage: bool = False


class ChatRequest(_Request):
    """The last ``user`` message is the question, the ones before it are the history. ``system`` messages
    are not obeyed: only what is indexed decides what is answered."""

    model: str = Field(examples=[MODEL])
    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=_MAX_MESSAGES,
        examples=[[{"role": "user", "content": "What happened in the last hour?"}]],
    )
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1
    top_k: int = Field(default=5, ge=1, le=20)
    filters: Filters = Filters()
    recency: float | None = Field(default=None, ge=0, le=1)
    append_sources: bool = True

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class AssistantMessage(BaseModel):
    """``citations``: ours; ``[marker]`` stands in ``content``."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    citations: list[CitationBody]


class Choice(BaseModel):
    index: Literal[0] = 0
    message: AssistantMessage
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class ChatUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, result: AskResult) -> ChatUsage:
        return cls(
            prompt_tokens=result.input_tokens,
            completion_tokens=result.output_tokens,
            total_tokens=result.input_tokens + result.output_tokens,
        )


class ChatCompletion(BaseModel):
    """``outcome``, ``as_of`` and ``window`` are ours, as in ``/v1/ask``."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = MODEL
    choices: list[Choice]
    usage: ChatUsage
    outcome: Outcome
    as_of: Timestamp | None
    window: WindowBody | None


class ModelBody(BaseModel):
    id: str = MODEL
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "live-rag"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelBody]
