"""A BERT for sequence classification as small as it gets, with seeded random weights, saved both as torch
reads it and as ONNX. Its scores mean nothing, but all parts of a real cross-encoder share in them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging

from tests.support.tiny_cross_encoder import INPUTS, word_tokenizer

MAX_TOKENS = 64


def save_bert_cross_encoder(folder: Path, seed: int = 3) -> Path:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(),
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=MAX_TOKENS,
        model_input_names=list(INPUTS),
    )
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.5,
        num_labels=1,
    )
    model = BertForSequenceClassification(config).eval()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    example = tokenizer([("who won", "river bridge")], return_tensors="pt")
    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "length"} for name in INPUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of itself
        torch.onnx.export(
            _Logits(model),
            tuple(example[name] for name in INPUTS),
            str(folder / "model.onnx"),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "batch"}},
            dynamo=False,
        )
    return folder


class _Logits(torch.nn.Module):
    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self._model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        done = self._model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        logits: torch.Tensor = done.logits
        return logits
