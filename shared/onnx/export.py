"""A model as an ONNX file with its tokenizer, in a folder such as the tools that export models write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import RagError

_DEFAULT_MAX_TOKENS = 512


class UnusableExport(RagError):
    """Why a model cannot be run, in one line. Whoever knows the setting that names it adds the cure."""


class RuntimeMissing(RagError):
    """A package that runs models is not installed; the message is the command that installs it."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the package {package} is not installed; run pip install -c constraints.txt {package}"
        )


@dataclass(frozen=True, slots=True)
class OnnxExport:
    folder: Path
    model: Path

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    def configuration(self, file: str, default: Any = None) -> Any:
        """What the JSON of one of the small files says; ``default`` (an empty object) where there is none.

        :raises UnusableExport: the file is damaged.
        """
        path = self.folder / file
        if not path.is_file():
            return {} if default is None else default
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UnusableExport(f"{file} is damaged: {error}") from error

    def max_tokens(self) -> int:
        """Of a text or pair, special ones included, as the small files say."""
        limits = (
            self.configuration("tokenizer_config.json").get("model_max_length"),
            self.configuration("config.json").get("max_position_embeddings"),
        )
        return min((int(limit) for limit in limits if limit), default=_DEFAULT_MAX_TOKENS)

    def padding_id(self) -> int:
        """RoBERTa's kin count positions from what is not padding, so that the right id matters."""
        token = self.configuration("tokenizer_config.json").get("pad_token", "[PAD]")
        if isinstance(token, dict):
            token = token.get("content")
        added = self.configuration("tokenizer.json").get("added_tokens", [])
        return next((int(entry["id"]) for entry in added if entry.get("content") == token), 0)


def find_export(folder: Path, model: Path | None = None) -> OnnxExport:
    """``model``: where it lies if not in the folder.

    :raises UnusableExport: a file is not there.
    """
    candidates = [model] if model else [folder / "model.onnx", folder / "onnx" / "model.onnx"]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise UnusableExport("neither model.onnx nor onnx/model.onnx is in it")
    export = OnnxExport(folder, found)
    if not export.tokenizer.is_file():
        raise UnusableExport("tokenizer.json is not in it")
    return export
