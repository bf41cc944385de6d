"""What differs between servers that speak OpenAI's protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared.domain import Prompt, TokenUsage
from shared.errors import ConfigurationError, LLMRefused, LLMUnavailable, ModelMissing
from shared.llm.openai import OpenAILLM
from shared.llm.token_bound import most_tokens
from tests.contract.llm.conftest import PATIENT
from tests.support.llama_server import KEY, MODEL, LlamaServer
from tests.support.streams import read_to_end

NOW = threading.Event()
PROMPT = Prompt("", "Say hello.", "", (), 5)


def _refuses_to_load(llm: OpenAILLM, kind: type[Exception]) -> str:
    try:
        with pytest.raises(kind) as caught:
            llm.load(NOW)
    finally:
        llm.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_only_model_needs_no_name_and_its_tokens_are_counted_by_the_server(llama: LlamaServer) -> None:
    llm = OpenAILLM(f"{llama.base_url}/", KEY, None, 2048, PATIENT)
    llm.load(NOW)
    assert llm.name == MODEL
    assert llm.count_tokens("one two three") == 3
    assert read_to_end(llm.stream(PROMPT))[0]
    llm.close()


@pytest.mark.parametrize("key", ["wrong", None])
def test_a_refused_key_is_one_line(llama: LlamaServer, key: str | None) -> None:
    message = _refuses_to_load(OpenAILLM(llama.base_url, key, MODEL, 2048, PATIENT), ConfigurationError)
    assert message.startswith("OPENAI_API_KEY: ")
    assert "wrong" not in message


def test_a_model_that_the_server_does_not_have_is_one_line(llama: LlamaServer) -> None:
    message = _refuses_to_load(OpenAILLM(llama.base_url, KEY, "gpt-99", 2048, PATIENT), ModelMissing)
    assert message.startswith("LLM_MODEL=gpt-99: ")
    assert MODEL in message


def test_a_context_that_the_server_does_not_have_is_one_line(llama: LlamaServer) -> None:
    message = _refuses_to_load(OpenAILLM(llama.base_url, KEY, MODEL, 4096, PATIENT), ConfigurationError)
    assert message.startswith("LLM_CONTEXT_TOKENS=4096: ")
    assert "2048" in message


class _Server:
    """The protocol's outline, with the habits of others than llama.cpp: ``models`` as listed, or an error's
    status; ``rejects`` parameters by name. Keeps what it was asked."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] | int = [{"id": "m"}]
        self.rejects: set[str] = set()
        self.says_usage = True
        self.pieces = ["It is ", "\u2028", "so."]
        self.requests: list[dict[str, Any]] = []
        self.tokenize: dict[str, Any] | None = None

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        if path == "/v1/models":
            if isinstance(self.models, int):
                return self.models, b'{"error": {"message": "no"}}'
            return 200, json.dumps({"data": self.models}).encode()
        if path == "/tokenize" and self.tokenize is not None:
            return 200, json.dumps(self.tokenize).encode()
        if path != "/v1/chat/completions":
            return 404, b"not found"
        self.requests.append(body)
        for name in sorted(self.rejects & body.keys()):
            return 400, json.dumps({"error": {"message": f"Unsupported parameter: '{name}'"}}).encode()
        chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"content": text}}]} for text in self.pieces]
        chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        if self.says_usage:
            chunks.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n" for chunk in chunks]
        return 200, "".join([": hello\r\n\r\n", *lines, "data: [DONE]\r\n\r\n"]).encode()


@pytest.fixture
def other() -> Iterator[tuple[_Server, str]]:
    server = _Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: dict[str, Any]) -> None:
            status, data = server.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{http.server_address[1]}/v1"
        finally:
            http.shutdown()
            thread.join()


def _loaded(url: str, model: str | None = "m") -> OpenAILLM:
    llm = OpenAILLM(url, None, model, 512, PATIENT)
    llm.load(NOW)
    return llm


def test_a_line_separator_inside_an_answer_is_text(other: tuple[_Server, str]) -> None:
    llm = _loaded(other[1])
    assert read_to_end(llm.stream(PROMPT)) == (["It is ", "\u2028", "so."], TokenUsage(7, 3))
    llm.close()


def test_usage_that_is_not_told_is_unknown(other: tuple[_Server, str]) -> None:
    other[0].says_usage = False
    llm = _loaded(other[1])
    assert read_to_end(llm.stream(PROMPT))[1] is None
    llm.close()


def test_parameters_that_a_server_does_not_take_are_left_out_from_then_on(other: tuple[_Server, str]) -> None:
    server, url = other
    server.rejects = {"temperature"}
    llm = _loaded(url)
    for _ in range(2):
        assert read_to_end(llm.stream(PROMPT))[0]
    assert ["temperature" in request for request in server.requests] == [True, False, False]
    server.rejects = {"max_tokens"}
    assert read_to_end(llm.stream(PROMPT))[0]
    assert server.requests[-1]["max_completion_tokens"] == PROMPT.max_output_tokens
    assert "max_tokens" not in server.requests[-1]
    llm.close()


def test_any_other_refusal_is_final(other: tuple[_Server, str]) -> None:
    server, url = other
    server.rejects = {"messages"}
    llm = _loaded(url)
    with pytest.raises(LLMRefused, match="messages"):
        next(llm.stream(PROMPT))
    assert len(server.requests) == 1
    llm.close()


def test_without_a_tokenizer_a_bound_is_counted(other: tuple[_Server, str]) -> None:
    llm = _loaded(other[1])
    assert llm.count_tokens("one two three") == most_tokens("one two three")
    llm.close()


def test_the_tokenizer_of_vllm_is_used(other: tuple[_Server, str]) -> None:
    other[0].tokenize = {"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3]}
    llm = _loaded(other[1])
    assert llm.count_tokens("one two three") == 3
    llm.close()


def test_a_server_that_lists_nothing_is_believed(other: tuple[_Server, str]) -> None:
    other[0].models = 404
    llm = _loaded(other[1])
    assert read_to_end(llm.stream(PROMPT))[0]
    llm.close()
    assert "LLM_MODEL=" in _refuses_to_load(OpenAILLM(other[1], None, None, 512, PATIENT), ConfigurationError)


def test_of_several_models_one_must_be_named(other: tuple[_Server, str]) -> None:
    other[0].models = [{"id": "m"}, {"id": "n"}]
    message = _refuses_to_load(OpenAILLM(other[1], None, None, 512, PATIENT), ModelMissing)
    assert message.startswith("LLM_MODEL=: ")
    assert "m, n" in message


@pytest.mark.parametrize(
    ("models", "kind", "named"),
    [
        (401, ConfigurationError, "OPENAI_API_KEY: "),
        (403, ConfigurationError, "OPENAI_API_KEY: "),
        ([{"id": "m", "max_model_len": 256}], ConfigurationError, "LLM_CONTEXT_TOKENS=512: "),
        (500, LLMUnavailable, "OPENAI_BASE_URL="),
    ],
)
def test_what_the_list_of_models_shows(
    other: tuple[_Server, str], models: Any, kind: type[Exception], named: str
) -> None:
    other[0].models = models
    assert _refuses_to_load(OpenAILLM(other[1], None, "m", 512, PATIENT), kind).startswith(named)
