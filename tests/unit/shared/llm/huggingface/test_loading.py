"""Which models are taken, and what is said of the others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BertModel

from shared.errors import ConfigurationError, ModelMissing
from shared.llm.factory import build_llm
from shared.llm.huggingface import HuggingFaceLLM
from shared.llm.huggingface_loading import _choose_device
from shared.settings import LLMSettings
from tests.support.hub_server import hub_of
from tests.support.tiny_models import WINDOW, save_plain_model

ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture
def folder(plain_model: Path, tmp_path: Path) -> Path:
    """A model of the test's own, to be damaged."""
    return Path(shutil.copytree(plain_model, tmp_path / "model"))


def load(model: Path | str) -> HuggingFaceLLM:
    return HuggingFaceLLM(str(model), "cpu", 2048, 60.0, 1)


def refusal(model: Path | str) -> str:
    with pytest.raises(ModelMissing) as caught:
        load(model)
    message = str(caught.value)
    assert message.startswith(f"LLM_MODEL={model}: ")
    assert "LLM=extractive" in message
    assert "\n" not in message
    return message


def test_the_default_is_flan_t5_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for empty in (None, ""):
        with pytest.raises(ModelMissing, match=r"^LLM_MODEL=google/flan-t5-small: "):
            build_llm(LLMSettings(LLM="huggingface", model=empty))  # type: ignore[call-arg]


@pytest.mark.parametrize("model", ["nobody/no-such-model", "no-such-model"])
def test_a_missing_model_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = refusal(model)
    assert "it is not in the cache, and HF_HUB_OFFLINE=1" in message
    assert "set HF_HUB_OFFLINE=0" in message


@pytest.mark.parametrize("model", ["a/b/c", "../nothing", "x y", __file__])
def test_a_name_that_no_repository_can_have_is_a_wrong_setting(model: str) -> None:
    assert "neither a folder nor the name of a repository" in refusal(model)


def test_an_empty_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    refusal(tmp_path)


@pytest.mark.parametrize(
    "file",
    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"],
)
@pytest.mark.parametrize("content", [b"damaged", b"", b"[]", b'{"model": 1}'])
def test_a_damaged_file_is_a_wrong_setting(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    try:
        load(folder).close()
    except ModelMissing:
        refusal(folder)
    else:
        assert file in ("tokenizer_config.json", "generation_config.json"), "the model needs the others"


def test_pickled_weights_are_refused(folder: Path) -> None:
    """Reading a pickle runs what is in it."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert AutoModelForCausalLM.from_pretrained(folder), "transformers would take it"
    assert "safetensors" in refusal(folder)


def test_code_in_the_repository_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")
    refusal(folder)
    assert not (folder / "ran").exists()


def test_weights_that_lack_a_layer_are_refused(folder: Path) -> None:
    """transformers would fill in random ones."""
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lm_head" in refusal(folder)


def test_a_model_that_does_not_write_is_refused(folder: Path) -> None:
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(folder)
    refusal(folder)


@pytest.mark.parametrize(
    ("available", "setting", "chosen"),
    [
        ("", "auto", "cpu"),
        ("cuda", "auto", "cuda"),
        ("mps", "auto", "mps"),
        ("cuda mps", "auto", "cuda"),
        ("cuda mps", "mps", "mps"),
        ("cuda mps", "cpu", "cpu"),
    ],
)
def test_the_device_is_the_fastest_that_there_is(available: str, setting: str, chosen: str) -> None:
    assert _choose_device(_a_torch(available), setting) == chosen


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_a_wrong_setting(device: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^LLM_DEVICE={device}: .*LLM_DEVICE=auto"):
        _choose_device(_a_torch(""), device)


def _a_torch(available: str) -> SimpleNamespace:
    """What torch says of the devices of another machine."""
    return SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: "cuda" in available),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: "mps" in available)),
    )


@pytest.mark.parametrize("package", ["torch", "transformers", "jinja2"])
def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, plain_model: Path, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=r"^LLM=huggingface: .*'\.\[huggingface\]'") as caught:
        load(plain_model)
    assert package in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_window_is_the_models_and_no_larger_than_the_setting(tmp_path: Path, t5: Path) -> None:
    model = save_plain_model(tmp_path)
    for limit, window in ((WINDOW * 2, WINDOW), (600, 600)):
        llm = HuggingFaceLLM(str(model), "cpu", limit, 1.0, 1)
        assert llm.context_tokens == window
        llm.close()
    for limit, window in ((2048, 512), (300, 300)):
        llm = HuggingFaceLLM(str(t5), "cpu", limit, 1.0, 1)
        assert llm.context_tokens == window - 1
        llm.close()


def test_relative_positions_name_no_limit_but_were_trained_with_one(t5: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(t5, tmp_path / "model"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["model_max_length"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    llm = load(folder)
    assert llm.context_tokens == 511
    llm.close()


def test_the_name_is_the_folders_or_the_repositorys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    llm = load("./model/")
    assert llm.name == "model"
    llm.close()


PROGRAM = """
import os, socket
def refuse(*arguments): raise SystemExit(f"tried to connect: {arguments}")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from shared.domain import Prompt
from shared.llm.factory import build_llm
from shared.settings import LLMSettings
llm = build_llm(LLMSettings())
stream = llm.stream(Prompt("Use the passages.", "How many people?", "", (), 500))
print(len(next(stream)) > 0, llm.name)
"""


def run(program: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "LLM": "huggingface", "LLM_THREADS": "1", "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_needs_no_network_and_a_process_may_end_in_the_middle_of_an_answer(
    chat_model: Path, tmp_path: Path
) -> None:
    """In silence: no progress bars, no warnings, no telemetry, with the sockets taken away."""
    done = run(PROGRAM, tmp_path, LLM_MODEL=str(chat_model), HF_HUB_OFFLINE="0")
    assert (done.stdout, done.stderr, done.returncode) == (f"True {chat_model.name}\n", "", 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_offline_a_model_comes_from_the_cache(t5: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    shutil.copytree(t5, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    done = run(
        PROGRAM, tmp_path, LLM_MODEL="someone/tiny", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path / "hub")
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True someone/tiny\n", "", 0)


FETCHING = """
import json, sys, time
time.sleep = lambda seconds: None  # between the attempts of the hub's own client
from shared.errors import RagError
from shared.llm.factory import build_llm
from shared.settings import LLMSettings
for line in sys.stdin:
    try:
        llm = build_llm(LLMSettings(model=line.strip()))
        print(llm.name, flush=True)
        llm.close()
    except RagError as error:
        print(type(error).__name__, error, flush=True)
"""


def test_what_is_not_in_the_cache_is_fetched_once(t5: Path, tmp_path: Path) -> None:
    """A hub that is away is waited for, a wrong name is told, neither code nor pickles are fetched, and
    what is in the cache is not asked for again."""
    published = Path(shutil.copytree(t5, tmp_path / "published"))
    needed = {file.name for file in published.iterdir()}
    for name in ("pytorch_model.bin", "own.py", "onnx/config.json"):
        (published / name).parent.mkdir(exist_ok=True)
        (published / name).write_text("{}")
    with hub_of("someone/tiny", published) as hub:
        environment = {
            "LLM": "huggingface",
            "LLM_THREADS": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": hub.url,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "no_proxy": "127.0.0.1",
        }
        with subprocess.Popen(
            [sys.executable, "-c", FETCHING],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None

            def ask_for(model: str) -> str:
                process.stdin.write(f"{model}\n")
                process.stdin.flush()
                return process.stdout.readline()

            for status, error in ((503, "LLMUnavailable"), (401, "ModelMissing"), (404, "ModelMissing")):
                hub.refuse = status
                assert ask_for("someone/tiny").startswith(f"{error} LLM_MODEL=someone/tiny: ")
            hub.refuse = None
            assert ask_for("someone/other").startswith("ModelMissing LLM_MODEL=someone/other: ")
            assert ask_for("someone/tiny") == "someone/tiny\n"
            assert hub.fetched == needed
            before = hub.requests
            assert ask_for("someone/tiny") == "someone/tiny\n"
            assert hub.requests == before
            process.stdin.close()
            assert process.stderr.read() == ""
