"""What a terminal is told: nothing of a stranger's file name acts on it."""

import logging

from imlcull_al import terminal

NAME = "\x1b]0;owned\x07a\r\nError: all photos deleted\u202egpj.jpg\udcff"


def test_a_name_is_one_line_and_moves_nothing(capsys):
    terminal.say(f"Left out: {NAME}")
    err = capsys.readouterr().err
    assert err == "Left out: \\x1b]0;owned\\x07a\\r\\nError: all photos deleted\\u202egpj.jpg\\udcff\n"


def test_nor_in_the_log(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as a program finds them
    terminal.show_log()
    terminal.show_log()
    logging.getLogger("imlcull_al.labels").warning("%s was edited", NAME)
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


def test_without_a_terminal_a_line_comes_every_ten_seconds(capsys):
    times = iter([0, 0, 1, 9, 11, 20, 25, 36])
    tell = terminal.progress_lines(lambda: next(times))
    for what, done in [("embedding", done) for done in (0, 40, 50, 90)] + [("copying", done) for done in (0, 10)]:
        tell(what, done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "embedding: 50 of 100, about 10 s left",
        "copying: 0 of 100",
        "copying: 10 of 100, about 99 s left",
    ]
