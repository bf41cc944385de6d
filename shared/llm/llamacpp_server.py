"""llama.cpp in a process of its own: ``python -m shared.llm.llamacpp_server``, started by ``LlamaCppLLM``.

The first line of its input says what to load, as JSON; it answers with one line, ``{"address"}`` or
``{"error"}``, and serves OpenAI's protocol there until its input ends, which is when its parent does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import xllamacpp

_ERRORS_ONLY = 0


def _params(wanted: dict[str, Any]) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = wanted["weights"]
    params.model_alias = {wanted["name"]}
    params.n_ctx = wanted["context_tokens"]
    params.n_parallel = 1
    params.n_gpu_layers = 0
    # More threads read the prompt faster; generating on half of them, and without busy waiting,
    # keeps the answer time bounded while the processor embeds on the same cores.
    params.cpuparams.n_threads = max(1, wanted["threads"] // 2)
    params.cpuparams_batch.n_threads = wanted["threads"]
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.verbosity = _ERRORS_ONLY
    params.ui = False
    params.offline = True
    params.api_keys = [wanted["key"]]
    return params


def _say(**message: str) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    # Its parent decides when it ends, also where a signal goes to all of a group.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    wanted = json.loads(sys.stdin.readline())
    try:
        server = xllamacpp.Server(_params(wanted))
    except RuntimeError as error:
        _say(error=str(error))
        return
    _say(address=str(server.listening_address))
    sys.stdin.read()
    # A thread inside llama.cpp while the interpreter exits in good order would abort the process.
    os._exit(0)


if __name__ == "__main__":
    main()
