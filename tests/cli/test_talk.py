import logging
import sys

import pytest

from sightline.cli import talk


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk.start_logging()
    now = 0.0
    monkeypatch.setattr(talk.time, "monotonic", lambda: now)
    with talk.progress() as stage:
        advance = stage("reading")
        for done in range(1, 101):
            now += 1.0
            advance(done, 100, f"file {done}")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [f"reading: {done} of 100, file {done}" for done in (30, 60, 90, 100)]


def test_on_a_terminal_there_is_a_bar_and_news_stand_above_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    talk.start_logging()
    with talk.progress() as stage:
        for title in ("first", "second"):
            advance = stage(title)
            advance(1, 2, "half")
            logging.getLogger("sightline.somewhere").info("news of %s", title)
            advance(2, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert "news of first" in told.err
    assert "second" in told.err


@pytest.mark.parametrize(("verbosity", "shown"), [(-1, "w"), (0, "wi"), (1, "wid")])
def test_verbosity_decides_what_is_shown(verbosity: int, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    talk.start_logging(verbosity)
    log = logging.getLogger("sightline.somewhere")
    log.warning("w")
    log.info("i")
    log.debug("d")
    assert "".join(capsys.readouterr().err.split()) == shown
