"""OpenVINO on an ONNX file.

It multiplies int8 weights with activations that it quantises itself, in groups within each token, so that
an embedding hardly depends on the texts that it is computed with.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from shared.embedder.onnx_files import OnnxFiles, onnx_missing
from shared.embedder.token_batches import TokenIds, TokenStates
from shared.errors import ConfigurationError

_GROUP_SIZE = 128  # activations that share a scale; larger is faster and less exact
_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class OpenVinoSession:
    """:raises ModelMissing: the file is damaged or is not a model of token states.
    :raises ConfigurationError: OpenVINO is not installed."""

    batch_tokens = 128
    length_multiple = 8

    def __init__(self, files: OnnxFiles, threads: int) -> None:
        # Importing OpenVINO sends a report to its makers, unless this package cannot be imported.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        try:
            import openvino
        except ImportError:
            raise ConfigurationError(
                "EMBEDDER_BACKEND=openvino: the package openvino is not installed; run "
                "pip install -c constraints.txt openvino"
            ) from None
        core = openvino.Core()
        try:
            model = core.read_model(str(files.model))
            self._compiled = core.compile_model(
                model,
                "CPU",
                {
                    "NUM_STREAMS": threads,
                    "INFERENCE_NUM_THREADS": threads,
                    # Two processes would be pinned to the same cores.
                    "ENABLE_CPU_PINNING": False,
                    # The default is bfloat16 where the processor has it: slower here, and other results.
                    "INFERENCE_PRECISION_HINT": "f32",
                    "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP_SIZE,
                },
            )
        except RuntimeError as error:
            raise onnx_missing(files.setting, f"{files.model.name}: {_last_line(error)}") from error
        self._inputs = [port.get_any_name() for port in self._compiled.inputs]
        shapes = [port.get_partial_shape() for port in self._compiled.outputs]
        self._output = next((number for number, shape in enumerate(shapes) if shape.rank == 3), None)
        if self._output is None or not _INPUTS.issuperset(self._inputs):
            raise onnx_missing(files.setting, f"inputs {self._inputs}, outputs {shapes}")
        self._dimension = shapes[self._output][2].get_length()
        self._own = threading.local()
        # What OpenVINO's Python layer sets up at its first call deadlocks when two threads make it together.
        one = np.ones((1, 1), dtype=np.int64)
        self.run(one, one)

    @property
    def workers(self) -> int:
        return int(self._compiled.get_property("NUM_STREAMS"))

    @property
    def dimension(self) -> int:
        return int(self._dimension)

    def run(self, ids: TokenIds, mask: TokenIds) -> TokenStates:
        given = {"input_ids": ids, "attention_mask": mask}
        inputs = {name: given[name] if name in given else np.zeros_like(ids) for name in self._inputs}
        results = self._request().infer(inputs, share_inputs=True, share_outputs=True)
        states: TokenStates = results[self._output]
        return states

    def _request(self) -> Any:
        """An inference request holds its inputs and outputs: one for each thread."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return self._own.request


def _last_line(error: Exception) -> str:
    return [line for line in str(error).splitlines() if line.strip()][-1].strip()
