"""Turns: nobody waits behind all that another one has asked for."""

import asyncio
import threading

import pytest

from imlcull_al import turns as module
from imlcull_al.errors import TooManyRequests
from imlcull_al.turns import Turns


def served(turns, asked, running=()):
    """Who begins, in order, when `asked` wait for the end of `running` and each turn ends before the next begins."""
    order, held = [], [turns.join(visitor, lambda: None) for visitor in running]
    waiting = [turns.join(visitor, lambda visitor=visitor: order.append(visitor)) for visitor in asked]
    for turn in held:
        turns.leave(turn)
    while left := [turn for turn in waiting if turn.has_begun]:
        waiting.remove(left[0])
        turns.leave(left[0])
    assert waiting == []
    return "".join(order)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "order"),
    [
        ("aaab", "baaa"),  # a has one already
        ("aaaabbbcc", "bcabcabaa"),
        ("bcbc", "bcbc"),
        ("aaa", "aaa"),
        ("", ""),
    ],
)
def test_the_visitor_who_was_served_least_recently_is_next(asked, order):
    assert served(Turns(1), asked, running="a") == order


def test_there_are_only_so_many_at_once():
    turns, begun = Turns(2), []
    held = [turns.join(name, lambda name=name: begun.append(name)) for name in "abc"]
    assert begun == ["a", "b"]
    turns.leave(held[1])
    assert begun == ["a", "b", "c"]


def test_one_visitor_has_only_so_many_and_leaves_the_others_free():
    turns, begun = Turns(4, each=2), []
    for name in "aaaab":
        turns.join(name, lambda name=name: begun.append(name))
    assert begun == ["a", "a", "b"]


def test_who_gives_up_waiting_is_passed_over():
    turns, begun = Turns(1), []
    first, second, _ = (turns.join(name, lambda name=name: begun.append(name)) for name in "abc")
    turns.leave(second)
    turns.leave(first)
    assert begun == ["a", "c"]


def test_a_queue_has_an_end_for_its_visitor_only():
    turns = Turns(1, waiting=2)
    for _ in range(3):
        turns.join("a", lambda: None)
    with pytest.raises(TooManyRequests, match="too many requests at once"):
        turns.join("a", lambda: None)
    turns.join("b", lambda: None)


def test_others_wait():
    turns = Turns(1)
    for _ in range(2):
        turns.join("a", lambda: None)
    assert (turns.others_wait("a"), turns.others_wait("b")) == (False, True)


def test_little_is_remembered(monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    turns = Turns(1)
    assert served(turns, "bcdef", running="a") == "bcdef"
    assert len(turns._served) <= 3
    assert (turns._waiting, dict(turns._running)) == ({}, {})


def test_threads_hold_one_at_a_time():
    turns, inside, most, defects = Turns(1), [], [], []

    def work(name):
        try:
            for _ in range(50):
                with turns.held(name):
                    inside.append(name)
                    most.append(len(inside))
                    inside.pop()
        except Exception as error:  # noqa: BLE001 - a thread's error must not be lost
            defects.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (defects, len(most), max(most)) == ([], 200, 1)


def test_a_task_that_is_cancelled_while_it_waits_leaves_the_queue():
    async def work():
        turns, order = Turns(1), []

        async def one(name):
            async with turns.taken(name):
                order.append(name)

        async with turns.taken("a"):
            waiting = [asyncio.create_task(one(name)) for name in "bc"]
            await asyncio.sleep(0)
            waiting[0].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return order, turns._waiting

    assert asyncio.run(work()) == (["c"], {})
