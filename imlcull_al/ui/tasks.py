"""What the screens need of a task: its data for their scripts, the parts of a page that are for it, and its words."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..learning.queues import queues_of
from ..project.task import CULL_TASK, Task
from ..session.session import Counts
from .assets import asset

FEW = 9
"""Most classes that have a key each. Of more, the first letters are typed."""
_LISTED = 6
"""Most classes whose counts fit into one line."""
_INNERMOST = re.compile(r"<!-- for ([a-z ]+) -->((?:(?!<!-- for ).)*?)<!-- end -->", re.DOTALL)


def page_for(task: Task, name: str) -> str:
    """The HTML of a screen, without the parts `<!-- for cull -->…<!-- end -->` that are for other tasks.

    Parts may hold parts. One may be for `cull`, `task` (any other), `binary`, `classes`, `tags`, `keys` (few of them)
    or `letters` (many).
    `<!-- count -->` becomes the number of classes, `<!-- task -->` the task as the scripts read it: percent-encoded,
    since Gradio takes braces, dollar signs and backslashes in a page for its own.
    """
    kinds = {"cull"} if task == CULL_TASK else {"task", _kind(task), "keys" if len(task.classes) <= FEW else "letters"}
    kinds |= {"binary"} if task.is_binary else set()
    html, found = asset(name), 1
    while found:  # parts may hold parts
        html, found = _INNERMOST.subn(lambda part: part[2] if kinds & set(part[1].split()) else "", html)
    html = html.replace("<!-- count -->", str(len(task.classes)))
    return html.replace("<!-- task -->", quote(json.dumps(as_data(task)), safe=""))


def newer(task: Task, request: Mapping[str, Any], page: Callable[[Task], str]) -> dict[str, str]:
    """`screen`: its HTML anew, for a page that shows fewer `classes` than the task has now; otherwise nothing."""
    return {} if request.get("classes") in (None, len(task.classes)) else {"screen": page(task)}


def as_data(task: Task) -> dict[str, object]:
    """The task for scripts of the page; see assets/logic/task.js."""
    return {
        "name": task.name,
        "classes": task.classes,
        "isExclusive": task.exclusive,
        "isCull": task == CULL_TASK,
        "queues": [(name, title[:1].upper() + title[1:]) for name, title in queues_of(task).items()],
    }


def title(task: Task) -> str:
    """How the page's title line names a task; empty for the default."""
    return "" if task == CULL_TASK else f" / {task.name}"


def in_numbers(task: Task, counts: Counts, separator: str = " · ") -> str:
    """Photos by class: `20 keep · 17 cull`; how many classes have any, where there are many."""
    if len(task.classes) > _LISTED:
        what = "classes" if task.exclusive else "tags"
        return f"{sum(map(bool, counts.by_class))} of {len(task.classes)} {what}"
    by_class = counts.by_class or (counts.keep, counts.cull)
    return separator.join(f"{count} {name}" for name, count in zip(task.classes, by_class, strict=False))


def kinds_missing(task: Task, labels: Sequence[str]) -> str:
    """What must be labeled before there are scores, as a sentence; empty if there is enough."""
    if task.exclusive:
        if not labels:
            return "Scores start once you have labeled photos of two classes."
        only = f"Only {labels[0]} so far. Scores start with the first photo of another class."
        return only if len(set(labels)) == 1 else ""
    if not labels:
        return "Scores start once you have labeled photos with a tag and photos without it."
    targets = task.targets(labels)
    is_enough = ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any()
    return "" if is_enough else "Scores start once a tag is on some photos and not on others."


def _kind(task: Task) -> str:
    return "classes" if task.exclusive else "tags"
