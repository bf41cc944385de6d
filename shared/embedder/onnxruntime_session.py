"""ONNX Runtime on an ONNX file.

It turns the int8 weights of the bundled file into float32 when it loads them, and multiplies in float32. A
file with dynamically quantised activations would give each batch one scale, so that an embedding depended on
the texts that it is computed with.
"""

from __future__ import annotations

import os

import numpy as np

from shared.embedder.onnx_files import OnnxFiles, onnx_missing
from shared.embedder.token_batches import TokenIds, TokenStates
from shared.errors import ConfigurationError

_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class OnnxRuntimeSession:
    """:raises ModelMissing: the file is damaged or is not a model of token states.
    :raises ConfigurationError: ONNX Runtime is not installed."""

    batch_tokens = 256
    length_multiple = 1

    def __init__(self, files: OnnxFiles, threads: int) -> None:
        # It reports to its makers otherwise; read when the library is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as faults
        except ImportError:
            raise ConfigurationError(
                "EMBEDDER_BACKEND=onnx: the package onnxruntime is not installed; run "
                "pip install -c constraints.txt onnxruntime"
            ) from None
        options = onnxruntime.SessionOptions()
        # Each caller's thread does its own batch: no pool of threads that would spin while it waits.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(files.model), options, providers=["CPUExecutionProvider"]
            )
        except (
            faults.Fail,
            faults.InvalidArgument,
            faults.InvalidGraph,
            faults.InvalidProtobuf,
            faults.NotImplemented,
        ) as error:
            raise onnx_missing(files.setting, f"{files.model.name}: {error}".replace("\n", " ")) from error
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        outputs = {entry.name: entry.shape for entry in self._session.get_outputs()}
        states = next((name for name, shape in outputs.items() if len(shape) == 3), None)
        if states is None or not _INPUTS.issuperset(self._inputs):
            raise onnx_missing(files.setting, f"inputs {self._inputs}, outputs {outputs}")
        self._output = states
        self._dimension = int(outputs[states][2])
        self._workers = threads

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def dimension(self) -> int:
        return self._dimension

    def run(self, ids: TokenIds, mask: TokenIds) -> TokenStates:
        given = {"input_ids": ids, "attention_mask": mask}
        inputs = {name: given[name] if name in given else np.zeros_like(ids) for name in self._inputs}
        states: TokenStates = self._session.run([self._output], inputs)[0]
        return states
