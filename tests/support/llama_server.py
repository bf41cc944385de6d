"""llama.cpp's own server, in a process of its own: OpenAI's protocol, as it really is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import xllamacpp

from shared.llm.llamacpp import PACKAGED_MODEL, find_weights
from tests.support.child import Child, child, say

KEY = "the-right-key"
MODEL = "smol"


@dataclass(frozen=True, slots=True)
class LlamaServer:
    process: Child
    root: str

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"


@contextlib.contextmanager
def llama_server(context_tokens: int = 2048) -> Iterator[LlamaServer]:
    with child("tests.support.llama_server", str(context_tokens)) as process:
        yield LlamaServer(process, process.line())


def packaged_params(context_tokens: int) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = str(find_weights(PACKAGED_MODEL))
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.n_gpu_layers = 0
    # Threads that wait for one another are no help on a busy machine.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.verbosity = 0
    params.ui = False
    params.offline = True
    return params


def main() -> None:
    params = packaged_params(int(sys.argv[1]))
    params.api_keys = [KEY]
    params.model_alias = {MODEL}
    params.endpoint_slots = True
    server = xllamacpp.Server(params)
    say(server.listening_address)
    for _ in sys.stdin:  # until it is killed
        pass


if __name__ == "__main__":
    main()
