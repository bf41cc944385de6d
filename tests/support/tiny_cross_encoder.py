"""A cross-encoder whose scores are known: the number of the question's tokens that the passage has.

It is a folder such as the tools that export models write, with inputs and outputs like those of a BERT for
sequence classification; ids, mask and token types all count in its scores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

MAX_TOKENS = 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = (
    "who won is the river bridge of velmora quillon open high low mayor elected station filler in was rain"
).split()
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def save_cross_encoder(
    folder: Path,
    *,
    labels: int = 1,
    inputs: Sequence[str] = INPUTS,
    axes: int = 2,
    integers: int = TensorProto.INT64,
    name: str = "model.onnx",
    max_tokens: int = MAX_TOKENS,
) -> Path:
    """``labels``: 2 gives the logits of "irrelevant" and "relevant"; ``inputs``: what it calls its inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    word_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": max_tokens, "pad_token": "[PAD]"})
    )
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    (folder / name).parent.mkdir(exist_ok=True)
    onnx.save(_overlap_model(labels, inputs, axes, integers), folder / name)
    return folder


def word_tokenizer() -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


FOUND_CONSTANTS = {
    "one": np.array(1.0, dtype=np.float32),
    "across_axis": np.array([1], dtype=np.int64),
    "down_axis": np.array([2], dtype=np.int64),
}


def found_nodes() -> list[Any]:
    """From ``ids``, ``counted`` (1 for each word) and ``in_passage``: ``question`` and ``passage``, 1 for
    each of their words, and ``found``, 1 for each token that the passage has."""
    node = helper.make_node
    return [
        node("Sub", ["one", "in_passage"], ["in_question"]),
        node("Mul", ["counted", "in_question"], ["question"]),
        node("Mul", ["counted", "in_passage"], ["passage"]),
        # (texts, length, length): whether the two tokens are the same, and the second is of the passage.
        node("Unsqueeze", ["ids", "down_axis"], ["down"]),
        node("Unsqueeze", ["ids", "across_axis"], ["across"]),
        node("Equal", ["down", "across"], ["is_same"]),
        node("Cast", ["is_same"], ["same"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["passage", "across_axis"], ["passage_across"]),
        node("Mul", ["same", "passage_across"], ["found_where"]),
        node("ReduceMax", ["found_where", "down_axis"], ["found"], keepdims=0),
    ]


def _overlap_model(labels: int, inputs: Sequence[str], axes: int, integers: int) -> Any:
    ids, mask, types = inputs
    constants = {
        "last_special": np.array(len(SPECIAL) - 1, dtype=np.int64),
        **FOUND_CONSTANTS,
    }
    node = helper.make_node
    nodes = [
        # 1 for each token of the question, and for each of the passage; 0 for special ones and padding.
        node("Cast", [ids], ["ids"], to=TensorProto.INT64),
        node("Greater", ["ids", "last_special"], ["is_word"]),
        node("Cast", ["is_word"], ["word"], to=TensorProto.FLOAT),
        node("Cast", [mask], ["mask"], to=TensorProto.FLOAT),
        node("Mul", ["word", "mask"], ["counted"]),
        node("Cast", [types], ["in_passage"], to=TensorProto.FLOAT),
        *found_nodes(),
        node("Mul", ["found", "question"], ["shared"]),
        node("ReduceSum", ["shared", "across_axis"], ["overlap"], keepdims=1),
    ]
    relevant = "overlap"
    if labels > 1:
        nodes += [
            node("Neg", ["overlap"], ["irrelevant"]),
            node("Concat", ["irrelevant", *["overlap"] * (labels - 1)], ["classes"], axis=1),
        ]
        relevant = "classes"
    shape: list[str | int] = ["batch", labels]
    if axes == 3:
        nodes.append(node("Unsqueeze", [relevant, "across_axis"], ["wrapped"]))
        relevant, shape = "wrapped", ["batch", 1, labels]
    nodes.append(node("Identity", [relevant], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "overlap",
        [helper.make_tensor_value_info(name, integers, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model
