"""What runs an ONNX file, seen from the models that are run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.onnx.export import UnusableExport
from shared.onnx.token_batches import TokenBatch, TokenIds

Output = NDArray[np.float32]  # (texts, …, width)

_NEEDED = frozenset({"input_ids", "attention_mask"})
KNOWN_INPUTS = _NEEDED | {"token_type_ids"}


class InferenceSession(Protocol):
    """A loaded model. Safe to call from several threads, and best called from ``workers`` at a time."""

    @property
    def workers(self) -> int: ...

    @property
    def width(self) -> int:
        """Of the output's last axis."""

    @property
    def batch_tokens(self) -> int:
        """The batch size, in tokens, at which it is fastest."""

    @property
    def length_multiple(self) -> int:
        """Lengths should be multiples of this, because each new shape costs."""

    def run(self, batch: TokenBatch) -> Output:
        """Valid until the next call from the same thread.

        :raises InferenceFailed: the runtime cannot compute it.
        """


class SessionOpener(Protocol):
    def __call__(self, model: Path, threads: int, axes: int, outputs: Sequence[str] = ()) -> InferenceSession:
        """``axes``: how many the wanted output has, the texts' included. ``outputs``: the names of those
        that are wanted together; they stand side by side in one more axis, the last.

        :raises UnusableExport: the runtime cannot load the file, or it has other inputs or no such output.
        :raises RuntimeMissing: the runtime is not installed.
        """


def chosen_outputs(given: Sequence[tuple[str, int]], axes: int, wanted: Sequence[str]) -> list[int]:
    """Positions in ``given``, names and numbers of axes of a model's outputs. Without ``wanted`` names the
    first that has so many axes; a model that has named its outputs otherwise has as many, in that order.

    :raises UnusableExport: there are none such.
    """
    fitting = {name: position for position, (name, rank) in enumerate(given) if rank == axes}
    if not wanted and fitting:
        return [next(iter(fitting.values()))]
    if wanted and all(name in fitting for name in wanted):
        return [fitting[name] for name in wanted]
    if wanted and len(given) == len(fitting) == len(wanted):
        return list(fitting.values())
    described = ", ".join(f"{name} (axes: {rank})" for name, rank in given)
    if not wanted:
        raise UnusableExport(f"none of its outputs {described} has {axes} axes")
    raise UnusableExport(f"its outputs are {described}, not {' and '.join(wanted)} (axes: {axes})")


def side_by_side(outputs: Sequence[Output]) -> Output:
    """One as it is, several in one more axis."""
    return outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=-1)


def check_inputs(names: Sequence[str]) -> None:
    """:raises UnusableExport: the model wants something else than tokens."""
    if not _NEEDED <= set(names) <= KNOWN_INPUTS:
        raise UnusableExport(f"its inputs are {', '.join(names)}, not {', '.join(sorted(KNOWN_INPUTS))}")


def inputs_of(batch: TokenBatch, names: Sequence[str]) -> Mapping[str, TokenIds]:
    given = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
    return {name: given[name] for name in names}


def one_token() -> TokenBatch:
    """The smallest batch, for a first run."""
    one = np.ones((1, 1), dtype=np.int64)
    return TokenBatch(rows=[0], ids=one, mask=one, types=np.zeros_like(one))


def available_cores() -> int:
    """What this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
