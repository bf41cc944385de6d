"""Embeddings of real texts, for benchmarks that need many: random vectors are far harder to search.

A text is a page's title and the comment of an edit of it, from
``../shared/data/wikipedia-edits-2015-09-12.json.gz``; where the file has no more, pages and comments are
paired anew. They are embedded once, block by block, into a file that a later run goes on with. Beyond
``EMBEDDED`` they are mixed from two of those, mostly one of them, so that they lie where texts lie.
"""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from bench.real_edits import EDITS
from shared.ports import Embedder

if TYPE_CHECKING:
    from shared.ports import Embeddings

QUERIES = 500
EMBEDDED = 100_500
_BLOCK = 1_024
_SEED = 20_150_912
_MIXED_IN = 0.35


@dataclass(frozen=True, slots=True)
class Corpus:
    """``embeddings`` ``(n, dimension)`` of ``texts``; ``queries`` ``(q, dimension)``: texts of the same
    kind, of which none is among the others."""

    texts: list[str]
    embeddings: Embeddings
    queries: Embeddings

    def first(self, count: int) -> Corpus:
        return Corpus(self.texts[:count], self.embeddings[:count], self.queries)

    @property
    def dimension(self) -> int:
        return int(self.embeddings.shape[1])


def load_corpus(count: int, embedder: Embedder, folder: Path) -> Corpus:
    """``count`` texts and ``QUERIES`` others; what ``folder`` lacks is embedded, which takes minutes."""
    total = count + QUERIES
    texts = edit_texts(min(total, EMBEDDED))
    rows = cached_embeddings(texts, embedder, folder / f"{file_name(embedder)}.f32")
    texts, rows = extended(texts, rows, total)
    return Corpus(texts[QUERIES:], rows[QUERIES:], rows[:QUERIES])


def edit_texts(count: int) -> list[str]:
    """The first ``count`` of always the same sequence: all edits in random order, then new pairs."""
    chooser = random.Random(_SEED)
    with gzip.open(EDITS, "rt", encoding="utf-8") as lines:
        edits = [json.loads(line) for line in lines]
    pages = [edit["page"] for edit in edits]
    comments = [edit["comment"] or "" for edit in edits]
    texts = list(dict.fromkeys(map(_text, pages, comments)))
    chooser.shuffle(texts)
    known = set(texts)
    while len(texts) < count:
        text = _text(chooser.choice(pages), chooser.choice(comments))
        if text not in known:
            known.add(text)
            texts.append(text)
    return texts[:count]


def _text(page: str, comment: str) -> str:
    return f"{page}\n{comment}"


def file_name(embedder: Embedder) -> str:
    """Vectors of two models never share a file."""
    return "".join(char if char.isalnum() else "-" for char in f"embeddings {embedder.name}")


def cached_embeddings(texts: list[str], embedder: Embedder, file: Path) -> Embeddings:
    """The file holds the embeddings of a first part of ``texts``, as bare float32; the rest is added."""
    file.parent.mkdir(parents=True, exist_ok=True)
    row_bytes = 4 * embedder.dimension
    with file.open("ab") as stream:
        done = stream.tell() // row_bytes
        if stream.tell() % row_bytes:  # a run that was killed may have left half a row
            stream.truncate(done * row_bytes)
        with tqdm(total=len(texts), initial=min(done, len(texts)), desc="embedding", unit="text") as progress:
            for start in range(done, len(texts), _BLOCK):
                block = texts[start : start + _BLOCK]
                stream.write(embedder.embed(block).tobytes())
                stream.flush()
                progress.update(len(block))
    return np.fromfile(file, dtype=np.float32, count=len(texts) * embedder.dimension).reshape(len(texts), -1)


def extended(texts: list[str], rows: Embeddings, count: int) -> tuple[list[str], Embeddings]:
    """``count`` of each, of which those beyond ``rows`` are mixed from two random ones."""
    missing = count - len(rows)
    if missing <= 0:
        return texts, rows
    generator = np.random.default_rng(_SEED)
    near, far = generator.integers(QUERIES, len(rows), (2, missing))
    mixed = rows[near] * np.float32(1 - _MIXED_IN) + rows[far] * np.float32(_MIXED_IN)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    made = [f"{texts[one]} / {texts[other]}" for one, other in zip(near, far, strict=True)]
    return texts + made, np.concatenate([rows, mixed])
