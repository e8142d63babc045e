r"""Which photo of a stage a name in a table means: tables also come from other systems, and from projects that moved.

In this order, a name means the photo
    that has it as its key, with or without the path of the stage or `stage_N/` before it
    that has it as its key with `/` for `\`
    that one of these rules finds for the name without the space around it
    whose key is the part behind its last `stage_N/`, of any project: /old/stage_1/day1/a.jpg, C:\old\stage_1\a.jpg
    whose key has the longest end in common with it, if it is an absolute path, the file names are equal and no
    other photo has as much in common. Behind a `stage_N/`, one of the two must end with the other whole: day2/a.jpg
    is not day1/a.jpg.
Everything else means no photo: it is never guessed, and stays what it is.
"""

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..errors import StageError
from . import tables
from .stages import _STAGE_NAME, as_key

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
_NEAR = 50
"""Keys before and after its place among which the nearest to an unknown key is looked for."""
_ALIKE = 0.75
"""How alike two names are at least, for `difflib`."""


def known_key(name: str, keys: Sequence[str], folder: Path) -> str:
    """The one of `keys`, sorted, that a script or page means by `name`, in any Unicode normalization.

    Raises `StageError` that names the nearest one.
    """
    key = tables.as_key(str(name))
    at = bisect_left(keys, key)
    if at < len(keys) and keys[at] == key:
        return keys[at]
    near = _nearest(key, keys, at)
    what = f"Did you mean {near!r}?" if near else "Name one that `order` lists."
    raise StageError(f"There is no photo {name!r} in {folder}. {what}")


def _nearest(key: str, keys: Sequence[str], at: int) -> str:
    """A key that differs in case, has the same file name in another folder, or is spelled alike; empty for none."""
    folded = key.casefold()
    end = f"/{folded.rpartition('/')[2]}"
    named_so = [each for each in keys if f"/{each}".casefold().endswith(end)]
    if named_so:
        return min(named_so, key=lambda each: each.casefold() != folded)
    around = {each.casefold(): each for each in keys[max(at - _NEAR, 0) : at + _NEAR]}
    return next((around[each] for each in get_close_matches(folded, around, 1, _ALIKE)), "")


class _Prefix(NamedTuple):
    """What a name has before a path, or a path before a name; at most one of them isn't empty."""

    of_name: str
    of_path: str


_NO_PREFIX = _Prefix("", "")


class Names:
    """Resolves the names of one table.

    `unsettled`: key → why it means no photo. A plain relative path is not among them: that photo is only missing.
    """

    def __init__(self, folder: Path, keys: Callable[[], Collection[str]]) -> None:
        """`folder`: of the stage. `keys`: lists its photos, called once, and only for names of no file in `folder`."""
        self.unsettled: dict[str, str] = {}
        self._folder, self._list = folder, keys
        self._prefixes = (f"{as_key(folder.as_posix())}/", f"{folder.name}/")

    def key_of(self, name: str) -> str:
        """The key of the photo that `name`, in NFC, means; `name` below the stage's folder if it means none."""
        is_plain = not _ABSOLUTE.match(name) and "//" not in name and "/." not in f"/{name}"
        if is_plain and os.path.exists(self._folder / name):  # noqa: PTH110 - unlike Path.exists, it accepts any text
            return name
        inside, bare = self._inside(name), name.strip()
        for key in (inside, self._inside(bare)):
            if key in self._keys:
                return key
        parts = [part for part in bare.replace("\\", "/").split("/") if part not in ("", ".")]
        found = self._named(parts, is_absolute=bool(_ABSOLUTE.match(bare)))
        if len(found) == 1:
            return found[0]
        if found:
            some = " or ".join(sorted(found)[:3]) + (" or others" if len(found) > 3 else "")
            self.unsettled[inside] = f"it could be {some}"
        elif _ABSOLUTE.match(inside) or "\\" in inside:
            self.unsettled[inside] = "there is no such photo"
        return inside

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(self._list())

    @cached_property
    def _by_file_name(self) -> dict[str, list[list[str]]]:
        """File name → the parts of each key that ends with it."""
        found: dict[str, list[list[str]]] = {}
        for key in self._keys:
            parts = key.split("/")
            found.setdefault(parts[-1], []).append(parts)
        return found

    def _inside(self, name: str) -> str:
        """`name` without the path or the name of the stage's folder."""
        for form in (name, name.replace("\\", "/")):
            for prefix in self._prefixes:
                if form.startswith(prefix):
                    return form.removeprefix(prefix)
        return name

    def _named(self, parts: Sequence[str], *, is_absolute: bool) -> list[str]:
        """Keys of the photos that a path of these parts may mean; only one of them settles it."""
        stages = [at for at, part in enumerate(parts) if _STAGE_NAME.fullmatch(part)]
        for start in [*reversed([at + 1 for at in stages]), *([] if is_absolute else [0])]:
            if (key := "/".join(parts[start:])) in self._keys:
                return [key]
        return self._alike(parts[stages[-1] + 1 :] if stages else parts, is_whole=bool(stages)) if is_absolute else []

    def _alike(self, parts: Sequence[str], *, is_whole: bool) -> list[str]:
        """Keys with the longest end in common with these parts. `is_whole`: of those that end with each other only."""
        if not parts:
            return []
        common = {"/".join(each): _common_end(parts, each) for each in self._by_file_name.get(parts[-1], ())}
        if is_whole:
            common = {key: n for key, n in common.items() if n == min(len(parts), key.count("/") + 1)}
        longest = max(common.values(), default=0)
        return [key for key, n in common.items() if n == longest]


class Meant(NamedTuple):
    """`paths`: name → the path that it means. `rest`: name → the paths that it could mean elsewhere; often none."""

    paths: dict[str, str]
    rest: dict[str, list[str]]


class PathSuffixes:
    """Resolves names of files that begin at another place than the paths do, the same place for all the names.

    A name is a prefix and a path, or a path is a prefix and the name. There is one prefix for all names, because files
    are numbered anew in every folder: `day2/1.jpg` may end with a path of `day1`, and is not meant. It is, in this
    order, the one under which all names that could mean a path do, the one that ends as the folder of the paths does,
    and none. If several are as good, no name means anything.
    """

    def __init__(self, paths: Iterable[str], folder: Path | None = None) -> None:
        """`paths`: those that may be meant, in NFC and with `/`, below `folder`."""
        self._paths = frozenset(paths)
        self._folder = as_key(folder.as_posix()).casefold().split("/") if folder else []
        self._ending: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            for tail in _tails(path)[1:]:
                self._ending.setdefault(tail, []).append(path)

    def meant(self, names: Iterable[str]) -> Meant:
        """The paths that these names mean, all of one table or folder."""
        found = {name: self._candidates(name) for name in dict.fromkeys(names)}
        common = self._common(found.values())
        paths = {name: each[common] for name, each in found.items() if common in each}
        return Meant(paths, {name: [*each.values()] for name, each in found.items() if name not in paths})

    def _candidates(self, name: str) -> dict[_Prefix, str]:
        """Prefix → the path that the name means under it."""
        for form in [name] if "\\" not in name else [name, name.replace("\\", "/")]:
            shorter = {_Prefix(form[: len(form) - len(tail)], ""): tail for tail in _tails(form) if tail in self._paths}
            longer = {_Prefix("", path[: -len(form)]): path for path in self._ending.get(form, [])}
            if shorter or longer:
                return shorter | longer
        return {}

    def _common(self, found: Collection[dict[_Prefix, str]]) -> _Prefix | None:
        """The prefix of all the names; None if that is unknown."""
        counts = Counter(prefix for each in found for prefix in each)
        most = sum(bool(each) for each in found)
        best = [prefix for prefix, count in counts.items() if count == most]
        if _NO_PREFIX in best:
            return _NO_PREFIX
        if len(best) != 1:
            ends = {each: _common_end(each.of_name.casefold().split("/")[:-1], self._folder) for each in best or counts}
            longest = max(ends.values(), default=0)
            best = [prefix for prefix, length in ends.items() if length == longest > 0]
        return best[0] if len(best) == 1 else _NO_PREFIX if _NO_PREFIX in counts else None


def _tails(path: str) -> list[str]:
    """`a/b/c` → itself, `b/c` and `c`."""
    return [path, *(path[at + 1 :] for at, letter in enumerate(path) if letter == "/")]


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts from the end on are equal."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((n for n, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
