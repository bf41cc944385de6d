"""A reader whose answers are known beforehand; and how passages are cut into windows and places are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain import FoundSpan
from shared.errors import InferenceFailed, QuestionTooLong
from shared.onnx.onnxruntime_session import OnnxRuntimeSession
from shared.onnx.openvino_session import OpenVinoSession
from shared.onnx.session import Output, SessionOpener
from shared.onnx.token_batches import TokenBatch
from shared.ports import Reader
from shared.reader.factory import build_reader
from shared.reader.question_answering import QuestionAnsweringReader
from shared.settings import ReaderSettings
from tests.contract.reader.contract import ReaderContract
from tests.support.tiny_reader import LACK, MARK, MAX_TOKENS, NOTHING, Kind, save_reader

SESSIONS = {"openvino": OpenVinoSession, "onnxruntime": OnnxRuntimeSession}
KINDS: tuple[Kind, ...] = ("words", "bytes")
ANSWER = 2 * MARK
NO_ANSWER = 2 * NOTHING
FOR_EACH_LACKING = 2 * LACK


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    return {kind: save_reader(tmp_path_factory.mktemp("models") / kind, kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def reader(folders: dict[Kind, Path], request: pytest.FixtureRequest) -> Reader:
    return load(folders[request.param])


def load(folder: Path, *, threads: int = 2) -> Reader:
    return QuestionAnsweringReader(str(folder), OpenVinoSession, threads=threads)


def read(reader: Reader, passage: str, question: str = "bridge") -> tuple[str, FoundSpan]:
    """The answer's text, too."""
    span = reader.read(question, [passage])[0]
    return passage[span.start : span.end], span


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("kind", KINDS)
class TestReader(ReaderContract):
    @pytest.fixture
    def reader(self, folders: dict[Kind, Path], kind: Kind, session: str) -> Reader:
        opener: SessionOpener = SESSIONS[session]
        return QuestionAnsweringReader(str(folders[kind]), opener, threads=2)


@pytest.mark.parametrize(
    ("passage", "answer"),
    [
        ("The bridge: alpha river omega.", "alpha river omega"),
        (" alpha   omega ", "alpha   omega"),
        ("bridge alpha cafe\u0301 river omega", "alpha cafe\u0301 river omega"),
        ("éèê\u0301 ﬁ 日本 👩\u200d🚀 alpha 日本 omega 🌍", "alpha 日本 omega"),
        ("bridge\n alpha\u00a0river\t omega", "alpha\u00a0river\t omega"),
        ("bridge alpha omega\u0301\u0302 rain", "alpha omega\u0301\u0302"),
    ],
)
def test_exactly_there(reader: Reader, passage: str, answer: str) -> None:
    text, span = read(reader, passage)
    assert text == answer
    assert (span.start, span.end) == (passage.index(answer), passage.index(answer) + len(answer))


def test_the_scores(reader: Reader) -> None:
    """Of what is there and what is not; the question's tokens that a passage lacks speak against it."""
    passages = ["bridge alpha omega", "alpha omega", "bridge", "rain"]
    found = reader.read("bridge", passages)
    assert [span.score for span in found] == [ANSWER, ANSWER, 0, 0]
    lacking = NO_ANSWER + FOR_EACH_LACKING
    assert [span.no_answer_score for span in found] == [NO_ANSWER, lacking, NO_ANSWER, lacking]
    assert [span.null_odds for span in found] == [
        NO_ANSWER - ANSWER,
        lacking - ANSWER,
        NO_ANSWER,
        lacking,
    ]


def test_no_answer_ends_before_it_begins(reader: Reader) -> None:
    _, span = read(reader, "omega bridge alpha")
    assert span.score == MARK


def test_nothing_of_the_question_is_an_answer(reader: Reader) -> None:
    _, span = read(reader, "rain", "alpha omega")
    assert (span.start, span.end, span.score) == (0, 4, 0)


@pytest.mark.parametrize("before", [0, 5, 20, 33, 45, 100, 500])
def test_all_of_a_long_passage_is_read(reader: Reader, before: int) -> None:
    passage = f"{'river ' * before}alpha high omega {'river ' * (200 - before)}"
    text, span = read(reader, passage, "river")
    assert text == "alpha high omega"
    assert span.start == 6 * before
    assert span.null_odds == NO_ANSWER - ANSWER


@pytest.mark.parametrize("before", range(28, 48))
def test_an_answer_at_the_edge_of_a_window_is_whole_in_another(reader: Reader, before: int) -> None:
    passage = f"{'river ' * before}alpha {'high ' * 8}omega {'river ' * 60}"
    text, _ = read(reader, passage, "river")
    assert text == f"alpha {'high ' * 8}omega"


def test_the_least_no_answer_of_all_windows_counts(reader: Reader) -> None:
    """The question's word is in the last window alone."""
    _, span = read(reader, "rain " * 200 + "bridge")
    assert span.no_answer_score == NO_ANSWER


@pytest.mark.parametrize(("between", "is_one"), [(28, True), (29, False)])
def test_an_answer_has_thirty_tokens_at_most(tmp_path: Path, between: int, is_one: bool) -> None:
    reader = load(save_reader(tmp_path / "long", max_tokens=100))
    text, span = read(reader, f"alpha {'high ' * between}omega")
    assert (text.startswith("alpha") and text.endswith("omega")) == is_one
    assert span.score == (ANSWER if is_one else MARK)


def test_no_more_tokens_than_such_models_are_trained_with(tmp_path: Path) -> None:
    """Whatever the folder says of the model."""
    reader = load(save_reader(tmp_path / "long", max_tokens=10**30))
    with pytest.raises(QuestionTooLong, match="300 tokens, where long reads 381 with the passage"):
        reader.read("bridge " * 300, ["bridge"])


def test_a_question_may_take_half_of_the_room(folders: dict[Kind, Path]) -> None:
    reader = load(folders["words"])
    half = (MAX_TOKENS - 3) // 2
    text, _ = read(reader, "river " * 100 + "alpha omega", "bridge " * half)
    assert text == "alpha omega"
    with pytest.raises(QuestionTooLong, match=f"{half + 1} tokens, where words reads {MAX_TOKENS - 3}"):
        reader.read("bridge " * (half + 1), ["bridge"])


@pytest.mark.parametrize("threads", [1, 4])
def test_more_windows_than_a_batch_holds(folders: dict[Kind, Path], threads: int) -> None:
    passages = [f"{'river ' * (7 * number)}alpha {'high ' * (number % 5)}omega" for number in range(60)]
    found = load(folders["words"], threads=threads).read("river", passages)
    assert [(span.start, span.end) for span in found] == [
        (42 * number, len(passage)) for number, passage in enumerate(passages)
    ]


@pytest.mark.parametrize("session", SESSIONS)
def test_outputs_by_their_names_or_else_in_order(tmp_path: Path, session: str) -> None:
    passage = "bridge alpha high omega"
    swapped = save_reader(tmp_path / "swapped", outputs=("end_logits", "start_logits"))
    unnamed = save_reader(tmp_path / "unnamed", outputs=("output_0", "output_1"))
    opener: SessionOpener = SESSIONS[session]
    assert read(QuestionAnsweringReader(str(unnamed), opener), passage)[0] == "alpha high omega"
    # There answers begin at "omega" and end at "alpha".
    found = read(QuestionAnsweringReader(str(swapped), opener), "bridge omega high alpha")
    assert found[0] == "omega high alpha"


def test_what_is_no_number_is_an_error(tmp_path: Path) -> None:
    reader = load(save_reader(tmp_path / "broken", mark=float("inf")))
    with pytest.raises(InferenceFailed, match="no numbers"):
        reader.read("bridge", ["rain", "alpha omega"])


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize(("positions", "words"), [(20, 40), (8, 10)])
def test_what_the_runtime_cannot_compute_is_an_error(
    tmp_path: Path, session: str, positions: int, words: int
) -> None:
    """The model has fewer positions than its folder says. OpenVINO does not notice the second."""
    opener: SessionOpener = SESSIONS[session]
    reader = QuestionAnsweringReader(str(save_reader(tmp_path / "short", positions=positions)), opener)
    assert read(reader, "alpha omega")[0] == "alpha omega"
    with pytest.raises(InferenceFailed):
        reader.read("bridge", ["rain " * words])


def test_scores_of_fewer_tokens_than_were_given_are_an_error(folders: dict[Kind, Path]) -> None:
    """Those of the wrong tokens would pass for an answer."""

    class Short(OpenVinoSession):
        def run(self, batch: TokenBatch) -> Output:
            return super().run(batch)[:, : max(1, batch.ids.shape[1] - 1)]

    reader = QuestionAnsweringReader(str(folders["words"]), Short)
    with pytest.raises(InferenceFailed, match=r"it gives \d+ tokens of \d+ a score"):
        reader.read("bridge", ["bridge alpha omega"])


def test_the_factory_builds_what_the_settings_name(folders: dict[Kind, Path]) -> None:
    assert build_reader(ReaderSettings()) is None
    settings = ReaderSettings(READER="question-answering", model=str(folders["words"]))  # type: ignore[call-arg]
    reader = build_reader(settings)
    assert reader is not None
    assert reader.name == "words"
    assert read(reader, "bridge alpha omega")[0] == "alpha omega"
