"""ONNX Runtime on an ONNX file.

It turns the int8 weights of the bundled file into float32 when it loads them, and multiplies in float32. A
file with dynamically quantised activations would give each batch one scale, so that an embedding depended on
the texts that it is computed with.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from shared.errors import InferenceFailed
from shared.onnx.export import RuntimeMissing, UnusableExport
from shared.onnx.session import (
    Output,
    check_inputs,
    chosen_outputs,
    inputs_of,
    one_token,
    side_by_side,
)
from shared.onnx.token_batches import TokenBatch


class OnnxRuntimeSession:
    """:raises UnusableExport: the file is damaged, or is not such a model.
    :raises RuntimeMissing: ONNX Runtime is not installed."""

    batch_tokens = 256
    length_multiple = 1

    def __init__(self, model: Path, threads: int, axes: int, outputs: Sequence[str] = ()) -> None:
        # It reports to its makers otherwise; read when the library is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as faults
        except ImportError:
            raise RuntimeMissing("onnxruntime") from None
        options = onnxruntime.SessionOptions()
        # Each caller's thread does its own batch: no pool of threads that would spin while it waits.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._workers = threads
        self._faults = (
            faults.Fail,
            faults.InvalidArgument,
            faults.InvalidGraph,
            faults.InvalidProtobuf,
            faults.NotImplemented,
            faults.RuntimeException,
        )
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
            self._inputs = [entry.name for entry in self._session.get_inputs()]
            check_inputs(self._inputs)
            given = [(entry.name, len(entry.shape)) for entry in self._session.get_outputs()]
            self._outputs = [given[at][0] for at in chosen_outputs(given, axes, outputs)]
            self._width = int(self.run(one_token()).shape[-1])
        except (*self._faults, InferenceFailed) as error:
            raise UnusableExport(f"{model.name}: {error}".replace("\n", " ")) from error

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def width(self) -> int:
        return self._width

    def run(self, batch: TokenBatch) -> Output:
        try:
            return side_by_side(self._session.run(self._outputs, inputs_of(batch, self._inputs)))
        except self._faults as error:
            raise InferenceFailed(str(error).replace("\n", " ")) from error
