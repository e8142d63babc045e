"""The settings of a project, `project.toml`: its tasks with their classes or tags, and where its scores start.

    version = 1
    stage_1 = "../Wedding"                    # where the first stage lies, of a project beside its photos
    start_from = "/photos/last shoot"         # a project whose answers are the first guess

    [tasks.garment]
    classes = ["shirt", "dress", "shoe"]      # a photo has one of them

    [tasks.notes]
    tags = ["red", "striped"]                 # a photo has any number of them

UTF-8. Anything else in the file stays as it is. A file of another version is refused. The task `cull` is always there
and not listed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tomlkit

from ..errors import StageError, StorageError
from .document import path_of, read, writing
from .stages import open_stage
from .task import CULL_TASK, Task, clean, in_words


def tasks_of(project: Path) -> dict[str, Task]:
    """Name → task, `cull` first. Raises `StorageError` for a file that can't be read."""
    found = {CULL_TASK.name: CULL_TASK}
    tables = read(project).get("tasks", {})
    if not isinstance(tables, Mapping):
        raise StorageError(f"{path_of(project)}: tasks must be tables, such as [tasks.garment]. Correct it.")
    if CULL_TASK.name in tables:
        raise StorageError(f"{path_of(project)} lists the task cull, which is always keep or cull. Remove it.")
    for name, table in tables.items():
        found[name] = _task(path_of(project), name, table)
    return found


def open_task(project: Path, name: str, classes: Sequence[str] = (), tags: Sequence[str] = ()) -> Task:
    """The task of this name. `classes` or `tags` are added to it; with them, a new task is made and kept in the file.

    Raises `StageError` for a task that doesn't exist or can't be as asked, `StorageError`.
    """
    task = planned_task(project, name, classes, tags)
    if task == tasks_of(project).get(name):
        return task
    _write(project, task)
    return tasks_of(project)[name]  # another process may have added classes, too


def planned_task(project: Path, name: str, classes: Sequence[str] = (), tags: Sequence[str] = ()) -> Task:
    """The task that `open_task` would open. Writes nothing, and raises as it does."""
    if classes and tags:
        raise StageError("A task has either classes or tags. Name only one of the two.")
    new = Task(name, tuple(map(clean, tags or classes)), exclusive=not tags)
    known = tasks_of(project)
    task = known.get(name)
    if not new.classes:
        if task is None:
            raise StageError(
                f"There is no task {name!r} in {project}, only {in_words(tuple(known))}. For a new one, name its "
                "classes (--classes a,b,c) or its tags (--tags a,b,c)."
            )
        return task
    if name == CULL_TASK.name:
        raise StageError("The task cull has the classes keep and cull, and no others. Choose another name (--task).")
    if task is not None:
        if task.exclusive != new.exclusive:
            raise StageError(f"The task {name} has {'classes' if task.exclusive else 'tags'}. Name more of these only.")
        new = task.with_more(new.classes)
    new.check()
    return new


def start_from(project: Path, other: Path | None = None) -> Path | None:
    """The project whose answers are this one's first guess; None for none. `other` is kept in the file as such.

    Raises `StageError` for the project itself or one without a stage, `StorageError`.
    """
    if other is None:
        found = read(project).get("start_from")
        return Path(found) if isinstance(found, str) and found else None
    if other.resolve() == project.resolve():
        raise StageError(f"{project} can't start from itself. Name another project.")
    open_stage(other)
    with writing(project) as document:
        document["start_from"] = str(other)
    return other


def _task(path: Path, name: str, table: object) -> Task:
    found = table if isinstance(table, Mapping) else {}
    lists = [kind for kind in ("classes", "tags") if kind in found]
    names = found[lists[0]] if len(lists) == 1 else None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise StorageError(f"{path}: the task {name} needs either classes or tags, a list of names. Correct it.")
    task = Task(name, tuple(map(str, names)), lists == ["classes"])
    try:
        task.check()
    except StageError as error:
        raise StorageError(f"{path}: {error}") from error
    return task


def _write(project: Path, task: Task) -> None:
    with writing(project) as document:
        table = document.setdefault("tasks", tomlkit.table(is_super_table=True)).setdefault(task.name, tomlkit.table())
        kind = "classes" if task.exclusive else "tags"
        table[kind] = list(dict.fromkeys([*table.get(kind, ()), *task.classes]))
