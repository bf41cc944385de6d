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


class WordCounts:
    """Safe to call from several threads. ``tokenizer`` must neither cut nor pad."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._applies = _is_bert(tokenizer)
        self._added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._counts: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, without special ones; exactly what the tokenizer makes of it."""
        by_words = [self._count_by_words(text) for text in texts]
        rest = [text for text, count in zip(texts, by_words, strict=True) if count is None]
        encoded = iter(self._tokenizer.encode_batch_fast(rest, add_special_tokens=False) if rest else ())
        return [len(next(encoded).ids) if count is None else count for count in by_words]

    def _count_by_words(self, text: str) -> int | None:
        if not self._applies or not _PLAIN.fullmatch(text) or any(token in text for token in self._added):
            return None
        words = _WORD.findall(text)
        try:
            return sum(map(self._counts.__getitem__, words))
        except KeyError:
            self._learn({word for word in words if word not in self._counts})
            return None

    def _learn(self, words: set[str]) -> None:
        if len(self._counts) + len(words) > _REMEMBERED_WORDS:
            self._counts = {}
        new = sorted(words)
        encodings = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        self._counts |= {word: len(encoding.ids) for word, encoding in zip(new, encodings, strict=True)}


def _is_bert(tokenizer: Tokenizer) -> bool:
    description = json.loads(tokenizer.to_str())
    kinds = [(description[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]
