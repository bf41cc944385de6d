"""A model for question answering whose answers are known.

The answer begins at the word "alpha" and ends at the word "omega": each has the logit ``MARK``, all other
words 0. "No answer" has ``NOTHING``, and ``LACK`` more for each token of the question that is missing.

It is a folder such as the tools that export models write. ``words``: BERT's inputs and pairs, a token for
each word, whose letters lose their accents. ``bytes``: RoBERTa's, without token types, where a token is a
word with the space before it, or a piece of one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.support.tiny_cross_encoder import FOUND_CONSTANTS, SPECIAL, WORDS, found_nodes

MARK = 8.0
NOTHING = 2.0
LACK = 4.0
MAX_TOKENS = 48
OUTPUTS = ("start_logits", "end_logits")
Kind = Literal["words", "bytes"]
_MARKS = ("alpha", "omega", "cafe")


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    tokenizer: Tokenizer
    begins: int
    ends: int
    separator: int
    first_word: int
    padding: str


def save_reader(
    folder: Path,
    kind: Kind = "words",
    *,
    outputs: Sequence[str] = OUTPUTS,
    inputs: Sequence[str] | None = None,
    name: str = "model.onnx",
    max_tokens: int = MAX_TOKENS,
    per_token: bool = True,
    mark: float = MARK,
    leads: bool = True,
    positions: int | None = None,
) -> Path:
    """``outputs``: what it calls them; ``inputs`` likewise. ``per_token``: otherwise a number for each pair.
    ``mark``: in place of ``MARK``; ``leads``: whether a special token stands before the question.
    ``positions``: so many tokens and no more can it be run on, whatever the folder says."""
    vocabulary = _words() if kind == "words" else _bytes()
    if not leads:
        vocabulary.tokenizer.post_processor = processors.TemplateProcessing(
            single="$A", pair="$A [SEP]:0 $B:1", special_tokens=[("[SEP]", vocabulary.separator)]
        )
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": max_tokens, "pad_token": vocabulary.padding})
    )
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 514}))
    (folder / name).parent.mkdir(exist_ok=True)
    named = inputs or ("input_ids", "attention_mask", *(["token_type_ids"] if kind == "words" else []))
    onnx.save(_model(vocabulary, named, outputs, mark, positions, per_token=per_token), folder / name)
    return folder


def _words() -> _Vocabulary:
    ids = {token: number for number, token in enumerate([*SPECIAL, *WORDS, *_MARKS])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    return _Vocabulary(tokenizer, ids["alpha"], ids["omega"], 3, len(SPECIAL), "[PAD]")


def _bytes() -> _Vocabulary:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        min_frequency=1,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"{word} " for word in (*WORDS, *_MARKS)], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    begins, ends = (tokenizer.token_to_id(f"Ġ{word}") for word in _MARKS[:2])
    assert begins is not None
    assert ends is not None
    return _Vocabulary(tokenizer, begins, ends, 2, len(special), "<pad>")


def _model(
    vocabulary: _Vocabulary,
    inputs: Sequence[str],
    outputs: Sequence[str],
    mark: float,
    positions: int | None,
    *,
    per_token: bool,
) -> Any:
    ids, mask, *types = inputs
    constants = {
        "last_special": np.array(vocabulary.first_word - 1, dtype=np.int64),
        "separator": np.array(vocabulary.separator, dtype=np.int64),
        "begin": np.array(vocabulary.begins, dtype=np.int64),
        "end": np.array(vocabulary.ends, dtype=np.int64),
        "mark": np.array(mark, dtype=np.float32),
        "nothing": np.array(NOTHING, dtype=np.float32),
        "lack": np.array(LACK, dtype=np.float32),
        "zero": np.array(0.0, dtype=np.float32),
        "along": np.array(1, dtype=np.int64),
        **FOUND_CONSTANTS,
    }
    node = helper.make_node
    if types:
        second = [node("Cast", [types[0]], ["in_passage"], to=TensorProto.FLOAT)]
    else:  # what stands behind the first separator
        second = [
            node("Equal", ["ids", "separator"], ["is_separator"]),
            node("Cast", ["is_separator"], ["separators"], to=TensorProto.FLOAT),
            node("CumSum", ["separators", "along"], ["passed"]),
            node("Greater", ["passed", "zero"], ["has_passed"]),
            node("Cast", ["has_passed"], ["in_passage"], to=TensorProto.FLOAT),
        ]
    given = "any_ids"
    position = []
    if positions is not None:  # the first of them are added, as BERT adds its embeddings of positions
        constants["positions"] = np.zeros(positions, dtype=np.int64)
        constants["first_position"] = np.array([0], dtype=np.int64)
        position = [
            node("Shape", [ids], ["length"], start=1, end=2),
            node("Slice", ["positions", "first_position", "length"], ["of_places"]),
            node("Add", ["any_ids", "of_places"], ["placed_ids"]),
        ]
        given = "placed_ids"
    nodes = [
        node("Cast", [ids], ["any_ids"], to=TensorProto.INT64),
        *position,
        node("Identity", [given], ["ids"]),
        *second,
        node("Greater", ["ids", "last_special"], ["is_word"]),
        node("Cast", ["is_word"], ["word"], to=TensorProto.FLOAT),
        node("Cast", [mask], ["mask"], to=TensorProto.FLOAT),
        node("Mul", ["word", "mask"], ["counted"]),
        *found_nodes(),
        node("Sub", ["one", "found"], ["not_found"]),
        node("Mul", ["not_found", "question"], ["lacking"]),
        node("ReduceSum", ["lacking", "across_axis"], ["lacks"], keepdims=1),
        node("Mul", ["lacks", "lack"], ["lack_logit"]),
        node("Add", ["lack_logit", "nothing"], ["no_answer"]),
        # Its place is the first token.
        node("CumSum", ["mask", "along"], ["position"]),
        node("Equal", ["position", "one"], ["is_first"]),
        node("Cast", ["is_first"], ["first"], to=TensorProto.FLOAT),
        node("Mul", ["first", "no_answer"], ["first_logit"]),
    ]
    for output, token in zip(outputs, ("begin", "end"), strict=True):
        nodes += [
            node("Equal", ["ids", token], [f"is_{token}"]),
            node("Cast", [f"is_{token}"], [f"of_{token}"], to=TensorProto.FLOAT),
            node("Mul", [f"of_{token}", "mark"], [f"{token}_logit"]),
            node("Add", [f"{token}_logit", "first_logit"], [f"{token}_of_each"]),
        ]
        if per_token:
            nodes.append(node("Identity", [f"{token}_of_each"], [output]))
        else:
            nodes.append(node("Concat", ["no_answer", "no_answer"], [output], axis=1))
    shape: list[str | int] = ["batch", "length" if per_token else 2]
    graph = helper.make_graph(
        nodes,
        "marks",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model
