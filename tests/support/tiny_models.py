"""Language models as small as they get, saved as those of the Hugging Face hub are: seeded random weights,
and tokenizers trained on a few lines. They write nonsense, but always the same."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)
from transformers.utils import logging

WINDOW = 1024
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_LINES = [
    "You answer questions from numbered passages. Use only what the passages say.",
    "Rescue teams are at work. As of 14:20 the earthquake has killed 47 people.",
    "Question: How many people did the earthquake in Velmora kill? Answer: 47 people.",
    "Straße, naïve, élection, 東京, Привет, ☃ and 👩‍🚀",
] * 3


def save_t5(folder: Path, seed: int = 3) -> Path:
    """Like google/flan-t5-small: relative positions, sentinels, no chat template."""
    tokenizer = T5Tokenizer(vocab=_unigram_pieces(), extra_ids=4, model_max_length=512)
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        initializer_factor=8.0,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    _mute_special_tokens(model, tokenizer)
    return _save(folder, model, tokenizer)


def save_chat_model(folder: Path, seed: int = 1, template: str = CHATML) -> Path:
    tokenizer = _byte_level_tokenizer(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], end="<|im_end|>")
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        initializer_range=0.5,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config)
    _mute_special_tokens(model, tokenizer)
    return _save(folder, model, tokenizer)


def save_plain_model(folder: Path, seed: int = 1) -> Path:
    """A causal model without a chat template."""
    tokenizer = _byte_level_tokenizer(["<|endoftext|>"], end="<|endoftext|>")
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=WINDOW,
        initializer_range=0.5,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    _mute_special_tokens(model, tokenizer)
    return _save(folder, model, tokenizer)


def save_scripted_model(folder: Path, prompt: str, answer: str) -> Path:
    """A plain model that gives exactly this answer, and then its end, to any prompt with as many tokens:
    what it writes depends on the position alone."""
    tokenizer = _byte_level_tokenizer(["<|endoftext|>"], end="<|endoftext|>")
    first = len(tokenizer(prompt).input_ids) - 1
    script = [*tokenizer(answer).input_ids, tokenizer.eos_token_id]
    positions = 256
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=positions,
        n_layer=1,
        n_head=1,
        n_inner=1,
        n_positions=positions,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.transformer.ln_f.weight.fill_(1)
        model.transformer.wpe.weight.copy_(torch.eye(positions))
        for position, token_id in enumerate(script, start=first):
            model.lm_head.weight[token_id, position] = 1
    return _save(folder, model, tokenizer)


def _unigram_pieces() -> list[tuple[str, float]]:
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    raw = Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.train_from_iterator(_LINES, trainer)
    return [(piece, score) for piece, score in json.loads(raw.to_str())["model"]["vocab"]]


def _byte_level_tokenizer(special: list[str], *, end: str) -> PreTrainedTokenizerFast:
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(_LINES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=end, bos_token=special[0])


def _mute_special_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Random weights would end some answers at once. Without a weight a token is hardly ever the best."""
    with torch.no_grad():
        model.get_output_embeddings().weight[tokenizer.all_special_ids] = 0


def _save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Path:
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
