"""Tiny models, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_models import save_chat_model, save_plain_model, save_t5


@pytest.fixture(scope="session")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_model(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="session")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_plain_model(tmp_path_factory.mktemp("plain"))


@pytest.fixture(params=["t5", "chat_model", "plain_model"])
def tiny_model(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder
