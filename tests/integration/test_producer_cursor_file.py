"""The cursor on a real file system: atomic, bound to its source, and tolerant of damage."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from services.producer.cursor_file import CursorFile
from services.producer.resume import Position

EVENT_ID = '[{"topic":"eqiad.x","partition":0,"timestamp":5}]'
POSITION = Position(5, EVENT_ID)


def cursor(tmp_path: Path, key: str = "http://stream/v2/stream/x") -> CursorFile:
    return CursorFile(tmp_path / "producer", key)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    assert cursor(tmp_path).load() is None
    for position in (Position(5), POSITION):
        cursor(tmp_path).save(position)
        assert cursor(tmp_path).load() == position


def test_another_sources_cursor_is_not_read(tmp_path: Path) -> None:
    cursor(tmp_path).save(POSITION)
    assert cursor(tmp_path, "http://stream/v2/stream/y").load() is None


def test_another_sources_cursor_is_not_overwritten(tmp_path: Path) -> None:
    cursor(tmp_path).save(POSITION)
    cursor(tmp_path, "http://replay/v2/stream/x").save(Position(0))
    assert cursor(tmp_path).load() == POSITION, "SOURCE=auto may go to the replay and come back"
    assert cursor(tmp_path, "http://replay/v2/stream/x").load() == Position(0)


def test_an_unchanged_position_is_not_written_again(tmp_path: Path) -> None:
    file = cursor(tmp_path)
    file.save(POSITION)
    file.path.unlink()
    file.save(POSITION)
    assert not file.path.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b'{"source":"http://stream/v2/stream/x"}',
     b'{"source":"http://stream/v2/stream/x","since_ms":"5"}',
     b'{"source":"http://stream/v2/stream/x","since_ms":5,"last_event_id":"garbage"}'],
)  # fmt: skip
def test_a_damaged_file_is_said_and_ignored(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = cursor(tmp_path)
    file.path.write_bytes(content)
    with caplog.at_level(logging.INFO):
        assert file.load() is None
    assert "ignored" in caplog.text


def test_a_crash_while_saving_leaves_the_old_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cursor(tmp_path)
    file.save(Position(5))

    def power_cut(_path: Path, _target: Path) -> Path:
        raise OSError("power cut")

    monkeypatch.setattr(Path, "replace", power_cut)
    with pytest.raises(OSError, match="power cut"):
        file.save(POSITION)
    assert cursor(tmp_path).load() == Position(5)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "producer").write_text("a file in the way")
    with pytest.raises(OSError, match="producer"):
        cursor(tmp_path)
