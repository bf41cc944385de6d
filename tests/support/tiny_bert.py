"""BERTs as small as they get, with seeded random weights, saved both as torch reads them and as ONNX: for
sequence classification and for question answering. What they say means nothing, but all parts of a real
model share in it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from tests.support.tiny_cross_encoder import INPUTS, word_tokenizer
from tests.support.tiny_reader import OUTPUTS

MAX_TOKENS = 64


def save_bert_cross_encoder(folder: Path, seed: int = 3) -> Path:
    torch.manual_seed(seed)
    return _save(folder, BertForSequenceClassification(_config(labels=1)), {"logits": {0: "batch"}})


def save_bert_reader(folder: Path, seed: int = 3) -> Path:
    torch.manual_seed(seed)
    axes = {name: {0: "batch", 1: "length"} for name in OUTPUTS}
    return _save(folder, BertForQuestionAnswering(_config(labels=2)), axes)


def _config(labels: int) -> BertConfig:
    return BertConfig(
        vocab_size=word_tokenizer().get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.5,
        num_labels=labels,
    )


def _save(folder: Path, model: PreTrainedModel, outputs: dict[str, dict[int, str]]) -> Path:
    """``outputs``: their names, and the axes of each that vary."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(),
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=MAX_TOKENS,
        model_input_names=list(INPUTS),
    )
    model.eval()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    example = tokenizer([("who won", "river bridge")], return_tensors="pt")
    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "length"} for name in INPUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of itself
        torch.onnx.export(
            _Outputs(model, list(outputs)),
            tuple(example[name] for name in INPUTS),
            str(folder / "model.onnx"),
            input_names=list(INPUTS),
            output_names=list(outputs),
            dynamic_axes={**axes, **outputs},
            dynamo=False,
        )
    return folder


class _Outputs(torch.nn.Module):
    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self._model = model
        self._names = names

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> tuple[torch.Tensor, ...]:
        done = self._model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        return tuple(done[name] for name in self._names)
