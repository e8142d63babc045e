import gc
import threading
import time
import weakref

import pytest

from imlcull_al.errors import Cancelled, StageError, TrainingError
from imlcull_al.progress import seconds_left
from imlcull_al.session.jobs import CANCELLED, DONE, FAILED, RUNNING, WAITING, Jobs
from imlcull_al.turns import Turns


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("reports", "total", "expected"),
    [
        ([], 10, None),
        ([(5, 3)], 10, None),
        ([(0, 0), (30, 5)], 25, None),  # the first step may have loaded the weights
        ([(0, 0), (30, 5), (40, 10)], 25, 30),
        ([(0, 5), (10, 25)], 25, 0),
        ([(0, 100), (10, 120), (20, 140)], 360, 110),  # a hundred came from the cache: they say nothing about the pace
        ([(0, 0), (60, 1), (62, 2)], 12, 20),  # the first loaded the weights
        ([(0, 0), (1, 1), (2, 2), (12, 3), (22, 4)], 6, 20),  # it has become slower
        ([(0, 0), (0, 4)], 10, None),
        ([(3, 7), (9, 7)], 10, None),
    ],
)
def test_time_left_goes_by_the_pace_of_the_later_half(reports, total, expected):
    assert seconds_left(reports, total) == expected


def test_time_left_forgets_a_slow_start_and_survives_batches():
    now, reports = 0.0, [(0.0, 0)]
    for done in range(1, 257):  # 32 at a time, half a second a photo, and half a minute for the weights
        now += 0.001 + (16 if done % 32 == 0 else 0) + (30 if done == 32 else 0)
        reports.append((now, done))
    assert seconds_left(reports, 512) == pytest.approx(128, rel=0.05)


def test_no_job_has_no_state():
    assert Jobs().state() is None


def test_what_a_job_worked_on_is_not_kept_in_memory():
    jobs, sidecars = Jobs(), threading.Event()  # a stand-in for what is large
    kept = weakref.ref(sidecars)
    jobs.start("reading", lambda progress, stop, sidecars=sidecars: None)
    del sidecars
    jobs.wait()
    gc.collect()
    assert kept() is None


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
        for done in (110, 120):
            clock.now += 5
            progress("embedding", done, 360)
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
            for done in range(4):
                progress(what, done, 3)
                left.append(jobs.state().seconds_left)
                clock.now += 4

    jobs.start("training", work)
    jobs.wait(5)
    assert left == [None, None, 4.0, 0.0] * 2


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


class Filling:
    """Work that yields: runs until it is stopped or told to end, and counts its runs."""

    def __init__(self):
        self.runs, self.running, self.enough = 0, threading.Event(), threading.Event()

    def __call__(self, progress, stop):
        self.runs += 1
        self.running.set()
        while not stop() and not self.enough.wait(0.001):
            progress("making previews", 1, 2)
        if stop():
            self.running.clear()
            raise Cancelled("Making previews was stopped.")


def test_what_fills_the_time_yields_and_goes_on_afterwards():
    jobs, filling = Jobs(), Filling()
    jobs.start("previews", filling, yields=True)
    assert filling.running.wait(5)
    overlapped, go_on = [], threading.Event()

    def training(progress, stop):
        overlapped.append(filling.running.is_set())
        go_on.wait(5)
        return "model"

    jobs.start("training", training)
    assert (jobs.state().name, jobs.latest("previews").status) == ("training", WAITING)
    with pytest.raises(StageError, match="training is still running"):
        jobs.start("previews", filling, yields=True)
    go_on.set()
    assert jobs.wait(5, "training").result == "model"
    assert overlapped == [False]
    assert filling.running.wait(5)
    assert (jobs.state().name, jobs.state().running) == ("previews", True)
    assert (jobs.latest("training").status, jobs.latest("training").result) == (DONE, "model")
    filling.enough.set()
    assert (jobs.wait(5).status, filling.runs) == (DONE, 2)


def test_what_fills_the_time_begins_anew_after_every_other_job():
    jobs, filling = Jobs(), Filling()
    filling.enough.set()
    jobs.start("previews", filling, yields=True)
    jobs.wait(5)
    for name in ("training", "cull"):
        jobs.start(name, lambda progress, stop: None)
        assert jobs.wait(5, name).status == DONE
        jobs.wait(5)
    assert filling.runs == 3


def test_a_cancelled_filling_stays_away():
    jobs, filling = Jobs(), Filling()
    jobs.start("previews", filling, yields=True)
    assert filling.running.wait(5)
    jobs.cancel()
    assert jobs.wait(5).status == CANCELLED
    jobs.start("cull", lambda progress, stop: "made")
    assert jobs.wait(5).result == "made"
    assert (jobs.state().name, filling.runs) == ("cull", 1)


def test_cancelling_a_job_lets_the_filling_go_on():
    jobs, filling = Jobs(), Filling()
    jobs.start("previews", filling, yields=True)

    def training(progress, stop):
        while not stop():
            pass
        raise Cancelled("Stopped.")

    jobs.start("training", training)
    filling.running.clear()
    jobs.cancel()
    assert filling.running.wait(5)
    assert jobs.latest("training").error == "Stopped."
    jobs.close()
    jobs.wait(5)


def test_nothing_starts_once_the_server_ends():
    jobs, filling = Jobs(), Filling()
    jobs.start("previews", filling, yields=True)
    jobs.start("training", lambda progress, stop: [None for _ in iter(stop, True)])
    jobs.close()
    jobs.wait(5)
    assert jobs.state().name == "training"
    with pytest.raises(StageError, match="stopping"):
        jobs.start("cull", lambda progress, stop: None)


def test_a_page_sees_that_a_job_was_asked_to_stop():
    jobs, go_on = Jobs(), threading.Event()
    jobs.start("cull", lambda progress, stop: go_on.wait(5))
    jobs.cancel()
    assert jobs.state().stopping
    go_on.set()
    assert not jobs.wait(5).stopping


def wait_for_others(jobs):
    until = time.monotonic() + 5
    while jobs.state().what != "waiting for others":
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_jobs_that_share_turns_wait_for_each_other_and_can_be_stopped_while_they_wait():
    turns = Turns(1)
    first, second, go_on = Jobs(turns=turns, visitor="anna"), Jobs(turns=turns, visitor="bert"), threading.Event()
    first.start("training", lambda progress, stop: go_on.wait(10))
    second.start("cull", lambda progress, stop: "made")
    wait_for_others(second)
    second.cancel()
    assert second.wait(5).status == CANCELLED
    second.start("cull", lambda progress, stop: "made")
    go_on.set()
    assert second.wait(5).result == "made"


@pytest.mark.slow
def test_others_come_before_the_next_job_of_the_same_visitor():
    turns, order, go_on = Turns(1), [], threading.Event()
    jobs = {name: Jobs(turns=turns, visitor=name[:4]) for name in ("anna", "anna again", "bert")}
    jobs["anna"].start("training", lambda progress, stop: go_on.wait(10))
    for name in ("anna again", "bert"):
        jobs[name].start("cull", lambda progress, stop, name=name: order.append(name))
        wait_for_others(jobs[name])
    go_on.set()
    for each in jobs.values():
        each.wait(5)
    assert order == ["bert", "anna again"]


def test_work_that_yields_lets_others_go_first_after_a_while_and_then_goes_on(monkeypatch):
    monkeypatch.setattr("imlcull_al.session.jobs.SLICE", 0)
    turns, filling, go_on = Turns(1), Filling(), threading.Event()
    first, second = Jobs(turns=turns, visitor="anna"), Jobs(turns=turns, visitor="bert")
    first.start("embedding", filling, yields=True)
    assert filling.running.wait(5)
    second.start("training", lambda progress, stop: go_on.wait(10))
    wait_for_others(first)
    assert (filling.runs, first.state().running, second.state().what) == (1, True, "")
    filling.enough.set()
    go_on.set()
    assert (first.wait(5).status, second.wait(5).status, filling.runs) == (DONE, DONE, 2)


def test_a_job_that_takes_too_long_is_asked_to_stop():
    clock = iter(range(100_000))
    jobs = Jobs(clock=lambda: next(clock), longest=50)
    jobs.start("training", lambda progress, stop: sum(1 for _ in iter(stop, True)))
    assert jobs.wait(5).status == DONE
