"""What a terminal and a log are told: nothing of a stranger's file name acts on them, and nothing long is silent."""

import logging
import re

import pytest

from imlcull_al import terminal
from imlcull_al.cli.commands import main
from imlcull_al.progress import logged
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage

NAME = "\x1b]0;owned\x07a\r\nError: all photos deleted\u202egpj.jpg\udcff"


def test_a_name_is_one_line_and_moves_nothing(capsys):
    terminal.say(f"Left out: {NAME}")
    err = capsys.readouterr().err
    assert err == "Left out: \\x1b]0;owned\\x07a\\r\\nError: all photos deleted\\u202egpj.jpg\\udcff\n"


def test_nor_in_the_log(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as a program finds them
    terminal.show_log()
    terminal.show_log()
    logging.getLogger("imlcull_al.project.labels").warning("%s was edited", NAME)
    assert capsys.readouterr().err.splitlines() == [terminal.plain(f"{NAME} was edited")]


def test_a_defect_keeps_its_traceback(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as a program finds them
    terminal.show_log()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("imlcull_al").exception("The %s failed", "training")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "The training failed"
    assert lines[-1] == "ZeroDivisionError"


def test_letters_of_all_scripts_stay():
    assert terminal.plain("Ä e\u0301 写真 😀 – ½") == "Ä e\u0301 写真 😀 – ½"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_without_a_terminal_a_line_comes_as_a_task_begins_and_every_ten_seconds(capsys):
    clock = Clock()
    tell = terminal.progress_lines(clock)
    for second in range(26):
        clock.now = 100.0 + second
        tell("embedding", 4 * second, 100)
    tell("writing the report", 0, 1)
    tell("writing the report", 1, 1)
    assert capsys.readouterr().err.splitlines() == [
        "Embedding · 0 of 100",
        "Embedding · 40 of 100 · about 0:15 left",
        "Embedding · 80 of 100 · about 0:05 left",
        "Writing the report · 0 of 1",
    ]


def test_the_time_that_weights_take_to_load_is_no_pace(capsys):
    clock = Clock()
    tell = terminal.progress_lines(clock)
    for now, done in [(0, 0), (30, 8), (41, 16)]:
        clock.now = now
        tell("embedding", done, 32)
    assert capsys.readouterr().err.splitlines() == [
        "Embedding · 0 of 32",
        "Embedding · 8 of 32",
        "Embedding · 16 of 32 · about 0:22 left",
    ]


def test_what_is_piped_gets_lines_and_a_terminal_gets_none(capsys, monkeypatch):
    with terminal.progress_bar() as progress:
        progress("making the sample", 1, 360)
    assert capsys.readouterr().err == "Making the sample · 1 of 360\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with terminal.progress_bar() as progress:
        progress("making the sample", 1, 360)
    assert "Making the sample · 1 of 360" not in capsys.readouterr().err


def test_taking_back_a_cull_says_how_far_it_is(run, project, capsys):
    labels = Labels(Stage(project, 1))
    labels.answer("warm_00.jpg", "keep")
    labels.answer("cold_00.jpg", "cull")
    assert run("cull", "--project", project)[0] == 0
    kept = len(list((project / "stage_2").iterdir()))
    capsys.readouterr()
    assert main(["undo-cull", "--project", str(project)]) == 0
    assert capsys.readouterr().err == f"Comparing with the manifest · 0 of {kept}\n"


def test_long_work_is_logged_with_its_end(caplog):
    @logged("the work")
    def work(fails):
        return 1 / 0 if fails else 3

    with caplog.at_level("INFO"):
        assert work(False) == 3
        with pytest.raises(ZeroDivisionError):
            work(True)
    begun, done, again, ended = [re.sub(r"[\d.]+ s$", "… s", record.message) for record in caplog.records]
    assert (begun, done) == (again, done) == ("the work: begins", "the work: done after … s")
    assert ended == "the work: ended early after … s"
