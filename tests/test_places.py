"""Who gets a place on a public page, and who gives way."""

import pytest

from imlcull_al.errors import UploadRefused
from imlcull_al.session.places import IDLE, Held, gives_way

NOW = 10 * IDLE
LONG, LONGER, JUST = NOW - 2 * IDLE, NOW - 3 * IDLE, NOW - IDLE + 1


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], None),
        ([Held("a", "x", JUST), Held("b", "y", JUST)], None),
        ([Held("a", "x", LONG), Held("b", "y", LONGER), Held("c", "z", JUST)], "b"),
        ([Held("a", "x", LONG), Held("b", "y", LONGER, is_answered=True), Held("c", "z", JUST)], "a"),
        ([Held("a", "x", LONG, is_answered=True), Held("b", "y", LONGER, True), Held("c", "z", JUST)], "b"),
        ([Held("a", "x", LONG), Held("b", "y", LONGER, is_busy=True), Held("c", "z", JUST)], "a"),
        ([Held("a", "me", LONG), Held("b", "me", JUST)], "a"),  # two are all that one sender may hold
        ([Held("a", "me", LONG), Held("b", "me", JUST), Held("c", "x", LONGER)], "a"),
        ([Held("a", "", LONG), Held("b", "", JUST)], None),  # from nobody knows where
    ],
)
def test_the_idle_one_without_answers_goes_then_the_one_unused_longest(held, expected):
    assert gives_way(held, "me", NOW, most=3, each=2) == expected


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ([Held("a", "x", JUST), Held("b", "y", JUST), Held("c", "z", LONG, is_busy=True)], "Too many people"),
        ([Held("a", "me", JUST), Held("b", "me", JUST)], "2 people at your address"),
        ([Held("a", "me", JUST), Held("b", "me", JUST), Held("c", "x", LONGER)], "2 people at your address"),
    ],
)
def test_nobody_who_was_here_a_moment_ago_gives_way(held, says):
    with pytest.raises(UploadRefused, match=says):
        gives_way(held, "me", NOW, most=3, each=2)
