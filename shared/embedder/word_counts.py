"""Tokens of plain text, counted word by word from memory: a BERT tokenizer never joins two words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tokenizers import Tokenizer

# Beyond this the tokenizer folds, strips and splits by rules of its own.
_PLAIN = re.compile(r"[\t\n\r\x20-\x7e]*")
_WORD = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9\s]")
_REMEMBERED_WORDS = 100_000
_LONGEST_REMEMBERED = 50


class WordCounts:
    """Safe to call from several threads. ``tokenizer`` must neither cut nor pad."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._applies = _is_bert(tokenizer)
        self._added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._counts: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, without special ones; exactly what the tokenizer makes of it."""
        in_words = [_WORD.findall(text) if self._is_plain(text) else None for text in texts]
        known = self._counts_of({word for words in in_words if words is not None for word in words})
        rest = [text for text, words in zip(texts, in_words, strict=True) if words is None]
        encoded = iter(self._tokenizer.encode_batch_fast(rest, add_special_tokens=False) if rest else ())
        return [
            len(next(encoded).ids) if words is None else sum(map(known.__getitem__, words))
            for words in in_words
        ]

    def _is_plain(self, text: str) -> bool:
        if not self._applies or not _PLAIN.fullmatch(text):
            return False
        return not any(token in text for token in self._added)

    def _counts_of(self, words: set[str]) -> dict[str, int]:
        """At least these words'."""
        counts = self._counts
        new = sorted(words.difference(counts))
        if not new:
            return counts
        known = {word: counts[word] for word in words if word in counts}
        encodings = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        learnt = {word: len(encoding.ids) for word, encoding in zip(new, encodings, strict=True)}
        if len(counts) + len(learnt) > _REMEMBERED_WORDS:
            counts = self._counts = {}
        counts.update(item for item in learnt.items() if len(item[0]) <= _LONGEST_REMEMBERED)
        return known | learnt


def _is_bert(tokenizer: Tokenizer) -> bool:
    description = json.loads(tokenizer.to_str())
    kinds = [(description[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]
