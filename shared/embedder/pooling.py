"""Token states to embeddings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shared.onnx.token_batches import TokenIds
    from shared.ports import Embeddings

Pooling = Literal["mean", "cls"]
TokenStates = NDArray[np.float32]  # (texts, length, dimension)


def pool(states: TokenStates, mask: TokenIds, pooling: Pooling) -> Embeddings:
    """One vector of unit norm for each text: its first token's state, or the mean of all its tokens'."""
    if pooling == "cls":
        vectors = states[:, 0]
    else:  # the sum does as well as the mean: the length is divided out below
        vectors = np.matmul(mask[:, None, :].astype(np.float32), states)[:, 0]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    embeddings: Embeddings = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return embeddings
