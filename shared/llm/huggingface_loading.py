"""From LLM_MODEL and LLM_DEVICE to a model and its tokenizer in memory.

Weights are read from safetensors only and no code of the model's repository is run, so that a model is
data and nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.llm.huggingface_files import find_files, model_missing

DEFAULT_MODEL = "google/flan-t5-small"
_TRAINED_LENGTH_OF_T5 = 512  # its positions are relative: the configuration need not name a limit
_LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len")
_UNSET_IN_TOKENIZER = 10**9


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """``tokenizer`` is transformers' one. ``window``: tokens that the model was made to read at once."""

    name: str
    model: Any
    tokenizer: Any
    is_seq2seq: bool
    window: int


def load_model(model: str, device: str, limit: int, threads: int) -> LoadedModel:
    """``model``: a folder, or the name of a repository on the hub. ``limit``: the window is no larger.
    ``threads``: of the processor, where it computes.

    :raises ModelMissing: there is no such model, or it cannot be used.
    :raises ConfigurationError: the packages are not installed, or there is no such device.
    :raises LLMUnavailable: it is to be fetched, but the hub does not answer.
    """
    torch, transformers = _import_libraries()
    chosen = _choose_device(torch, device)
    if chosen == "cpu":
        torch.set_num_threads(threads)
    folder = find_files(model)
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
        is_seq2seq = bool(config.is_encoder_decoder)
        kind = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
        loaded, found = kind.from_pretrained(
            folder,
            config=config,
            # Half precision is slow on most processors; an accelerator takes the weights as they are.
            dtype=torch.float32 if chosen == "cpu" else "auto",
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        loaded = loaded.to(chosen).eval()
    except Exception as error:
        # Which types a damaged file raises differs from model to model.
        raise model_missing(model, str(error) or type(error).__name__) from error
    if absent := sorted(found["missing_keys"]):
        raise model_missing(model, f"its weights lack {absent[0]}; is it a model that generates text?")
    if not tokenizer.is_fast:
        raise model_missing(model, "it has no tokenizer.json")
    return LoadedModel(
        name=folder.resolve().name if folder == Path(model) else model,
        model=loaded,
        tokenizer=tokenizer,
        is_seq2seq=is_seq2seq,
        window=min(limit, _trained_length(config, tokenizer, is_seq2seq, limit)),
    )


def _import_libraries() -> tuple[Any, Any]:
    # Read when the libraries are imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import huggingface_hub
        import jinja2  # noqa: F401 - for chat templates
        import torch
        import transformers
    except ImportError as error:
        raise ConfigurationError(
            f"LLM=huggingface: the package {error.name} is not installed; run "
            f"pip install -c constraints.txt '.[huggingface]', or set LLM=llamacpp or LLM=extractive"
        ) from None
    huggingface_hub.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return torch, transformers


def _choose_device(torch: Any, device: str) -> str:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[device]:
        raise ConfigurationError(
            f"LLM_DEVICE={device}: this machine, or the installed build of torch, has no such device; "
            "set LLM_DEVICE=auto"
        )
    return device


def _trained_length(config: Any, tokenizer: Any, is_seq2seq: bool, limit: int) -> int:
    text_config = config.get_text_config()
    named = [getattr(text_config, name, None) for name in _LENGTH_NAMES]
    if tokenizer.model_max_length < _UNSET_IN_TOKENIZER:
        named.append(tokenizer.model_max_length)
    lengths = [int(length) for length in named if length]
    return min(lengths, default=_TRAINED_LENGTH_OF_T5 if is_seq2seq else limit)
