import threading

import pytest

from imlcull_al.errors import Cancelled, StageError, TrainingError
from imlcull_al.jobs import CANCELLED, DONE, FAILED, RUNNING, Jobs, seconds_left


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "done", "remaining", "expected"),
    [(10.0, 5, 20, 40.0), (10.0, 0, 20, None), (0.0, 5, 20, None), (10.0, 25, 0, 0.0), (3.0, 3, 1, 1.0)],
)
def test_time_left_is_time_a_step_times_steps(seconds, done, remaining, expected):
    assert seconds_left(seconds, done, remaining) == expected


def test_no_job_has_no_state():
    assert Jobs().state() is None


def test_a_job_ends_with_its_result_and_notes():
    jobs = Jobs()

    def work(progress, stop):
        for photo in range(3):
            progress("embedding", photo + 1, 3)
            jobs.note(photo)
        return "rows"

    jobs.start("embedding", work)
    job = jobs.wait(5)
    assert (job.number, job.name, job.status, job.result) == (1, "embedding", DONE, "rows")
    assert (job.what, job.done, job.total, job.notes) == ("embedding", 3, 3, (0, 1, 2))


def test_progress_is_seen_while_the_job_runs_and_counts_from_what_was_there_already():
    clock = Clock()
    jobs = Jobs(clock)
    reached, go_on = threading.Event(), threading.Event()

    def work(progress, stop):
        progress("embedding", 100, 360)  # a hundred were in the cache: they say nothing about the pace
        clock.now += 10
        progress("embedding", 120, 360)
        reached.set()
        go_on.wait(5)

    jobs.start("embedding", work)
    assert reached.wait(5)
    clock.now += 2
    job = jobs.state()
    assert (job.status, job.done, job.total, job.seconds_left, job.seconds) == (RUNNING, 120, 360, 120.0, 12.0)
    go_on.set()
    assert jobs.wait(5).seconds_left is None


def test_another_step_has_its_own_pace():
    clock = Clock()
    jobs = Jobs(clock)
    left = []

    def work(progress, stop):
        for what in ("epoch 1", "epoch 2"):
            for done in range(3):
                progress(what, done, 2)
                left.append(jobs.state().seconds_left)
                clock.now += 4

    jobs.start("training", work)
    jobs.wait(5)
    assert left == [None, 4.0, 0.0, None, 4.0, 0.0]


def test_a_second_job_is_refused_while_one_runs_and_welcome_afterwards():
    jobs = Jobs()
    go_on = threading.Event()
    jobs.start("training", lambda progress, stop: go_on.wait(5))
    with pytest.raises(StageError, match="training is still running"):
        jobs.start("cull", lambda progress, stop: None)
    go_on.set()
    first = jobs.wait(5)
    jobs.start("cull", lambda progress, stop: None)
    second = jobs.wait(5)
    assert (second.number, second.name) == (2, "cull")
    assert second.revision > first.revision


def test_cancel_reaches_the_work():
    jobs = Jobs()
    running = threading.Event()

    def work(progress, stop):
        running.set()
        while not stop():
            pass
        raise Cancelled("Stopped; what was done is kept.")

    jobs.start("embedding", work)
    assert running.wait(5)
    jobs.cancel()
    job = jobs.wait(5)
    assert (job.status, job.error) == (CANCELLED, "Stopped; what was done is kept.")


def test_a_cancelled_job_does_not_stop_the_next():
    jobs = Jobs()
    jobs.cancel()
    jobs.start("cull", lambda progress, stop: stop())
    assert jobs.wait(5).result is False


def test_an_error_is_a_sentence():
    def work(progress, stop):
        raise TrainingError("Training never improved.")

    jobs = Jobs()
    jobs.start("training", work)
    job = jobs.wait(5)
    assert (job.status, job.error, job.result) == (FAILED, "Training never improved.", None)


def test_a_defect_ends_the_job_too(caplog):
    jobs = Jobs()
    jobs.start("training", lambda progress, stop: 1 / 0)
    job = jobs.wait(5)
    assert job.status == FAILED
    assert "ZeroDivisionError" in job.error
    assert "division by zero" in caplog.text
    jobs.start("training", lambda progress, stop: "again")
    assert jobs.wait(5).result == "again"


def test_of_many_starts_at_once_one_wins():
    jobs = Jobs()
    go_on, outcomes = threading.Event(), []

    def start():
        try:
            jobs.start("embedding", lambda progress, stop: go_on.wait(5))
            outcomes.append("started")
        except StageError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    go_on.set()
    jobs.wait(5)
    assert sorted(outcomes) == ["refused"] * 7 + ["started"]
