"""OpenVINO on an ONNX file.

It multiplies int8 weights with activations that it quantises itself, in groups within each token, so that
an embedding hardly depends on the texts that it is computed with.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from shared.errors import InferenceFailed
from shared.onnx.export import RuntimeMissing, UnusableExport
from shared.onnx.session import (
    KNOWN_INPUTS,
    Output,
    check_inputs,
    chosen_outputs,
    inputs_of,
    one_token,
    side_by_side,
)
from shared.onnx.token_batches import TokenBatch

_GROUP_SIZE = 128  # activations that share a scale; larger is faster and less exact


class OpenVinoSession:
    """:raises UnusableExport: the file is damaged, or is not such a model.
    :raises RuntimeMissing: OpenVINO is not installed."""

    batch_tokens = 128
    length_multiple = 8

    def __init__(self, model: Path, threads: int, axes: int, outputs: Sequence[str] = ()) -> None:
        # Importing OpenVINO sends a report to its makers, unless this package cannot be imported.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        try:
            import openvino
        except ImportError:
            raise RuntimeMissing("openvino") from None
        core = openvino.Core()
        self._own = threading.local()
        try:
            self._compiled = core.compile_model(
                core.read_model(str(model)),
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
            self._inputs = [_known_name(port, KNOWN_INPUTS) for port in self._compiled.inputs]
            check_inputs(self._inputs)
            given = [(_known_name(port, outputs), _axes(port)) for port in self._compiled.outputs]
            self._outputs = chosen_outputs(given, axes, outputs)
            # What OpenVINO's Python layer sets up at its first call deadlocks when two threads make it
            # together; so the first is made here.
            self._width = int(self.run(one_token()).shape[-1])
        except (RuntimeError, InferenceFailed) as error:
            raise UnusableExport(f"{model.name}: {_last_line(error)}") from error

    @property
    def workers(self) -> int:
        return int(self._compiled.get_property("NUM_STREAMS"))

    @property
    def width(self) -> int:
        return self._width

    def run(self, batch: TokenBatch) -> Output:
        inputs = inputs_of(batch, self._inputs)
        try:
            results = self._request().infer(inputs, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise InferenceFailed(_last_line(error)) from error
        return side_by_side([results[output] for output in self._outputs])

    def _request(self) -> Any:
        """An inference request holds its inputs and outputs: one for each thread."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return self._own.request


def _known_name(port: Any, known: Container[str]) -> str:
    """What does nothing to an input or output, such as a cast to the type that it has, gives it a second
    name."""
    names = sorted(port.get_names())
    return next((name for name in names if name in known), ", ".join(names))


def _axes(port: Any) -> int:
    """-1 where that depends on the input."""
    rank = port.get_partial_shape().rank
    return int(rank.get_length()) if rank.is_static else -1


def _last_line(error: Exception) -> str:
    return [line for line in str(error).splitlines() if line.strip()][-1].strip()
