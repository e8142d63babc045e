"""Reads the ratings that other programs gave to the photos of a stage, and turns them into answers.

Of a photo's sources, one that comes earlier counts before the ones after it: the sidecar named by a file, the sidecar
named by the stem, and, where no sidecar rates it, the packet inside its files. Writes nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import Cancelled, RatingsRefused, UnreadablePhoto, UnreadableXmp
from ..parallel import in_order
from ..progress import Progress, Stop, never, silent
from ..project.listing import Listing
from ..project.stages import Stage
from ..project.task import CULL, CULL_TASK, KEEP, Task
from .beside import SUFFIX, files_of, sidecars_of
from .elsewhere import Sidecars, assign, bytes_inside
from .rules import Rule, rule_of
from .values import Values, values_of
from .xmp import parse

SOURCE = "import:xmp"
"""Who gave an answer that came from a rating, in the journal."""
KEEP_RULE, CULL_RULE = "rating>=3 or pick==1", "rating==-1 or pick==-1"
_AHEAD = 8


@dataclass(frozen=True)
class Ratings:
    """What is said of the photos of a stage. `values`: key → what is said, of photos of which anything is.

    `refused`: key of a sidecar or photo → why its packet was not read.
    """

    values: dict[str, Values]
    refused: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """Answers that ratings stand for. `labels`: photo → label; `both`: photos that match the rules of two classes."""

    labels: dict[str, str]
    both: tuple[str, ...]


def rules_for(task: Task, named: Mapping[str, str]) -> dict[str, Rule]:
    """Class or tag → rule. `named`: the rules that a person gave; keep and cull, and tags, have defaults.

    Raises `RatingsRefused`.
    """
    if unknown := [name for name in named if name not in task.classes]:
        raise RatingsRefused(f"{unknown[0]!r} is none of {', '.join(task.classes[:12])}. Name a class of {task.name}.")
    usual = {KEEP: KEEP_RULE, CULL: CULL_RULE} if task == CULL_TASK else {}
    if not task.exclusive and not named:
        usual = {name: f'keyword=="{name}"' for name in task.classes if '"' not in name}
    rules = {name: rule_of(text) for name, text in {**usual, **named}.items()}
    if not rules:
        raise RatingsRefused(f'Say which ratings stand for a class of {task.name}: --class NAME "rating==5".')
    return rules


def read_ratings(
    stage: Stage,
    listing: Listing,
    inside: Callable[[Path], bytes],
    *,
    elsewhere: Sidecars | None = None,
    progress: Progress = silent,
    stop: Stop = never,
) -> Ratings:
    """Read the sidecars and photos of a stage. `inside`: path → packet inside a photo. Raises `Cancelled`.

    `elsewhere`: read these sidecars, and neither those beside the photos nor the photos.
    """

    def read(name: str) -> bytes:
        return sidecar_bytes(stage, name) if _is_sidecar(name) else inside(stage.path(name))

    def look(key: str) -> tuple[Values, dict[str, str]]:
        if elsewhere:
            return _look(theirs[key], elsewhere.read)
        companions = listing.companions.get(key, ())
        return _look((*sidecars_of(key, companions), *files_of(key, companions)), read)

    ratings, keys, theirs = Ratings({}, {}), listing.keys, dict[str, list[str]]()
    if elsewhere:
        theirs, rest = assign(elsewhere.names, listing, stage.folder)
        ratings, keys = Ratings({}, {**elsewhere.refused, **rest}), tuple(theirs)
    with closing(in_order(look, keys, _AHEAD)) as looks:
        for done, (key, (values, refused)) in enumerate(zip(keys, looks, strict=True)):
            if stop():
                raise Cancelled("The reading of ratings was stopped. Nothing was changed.")
            progress("reading ratings", done, len(keys))
            ratings.refused.update(refused)
            if values:
                ratings.values[key] = values
    return ratings


def judge(task: Task, rules: Mapping[str, Rule], values: Mapping[str, Values]) -> Verdict:
    """The answers of photos that match. A tag that no rule finds stays unknown."""
    labels, both = {}, []
    for key, said in values.items():
        matched = [name for name, rule in rules.items() if rule(said)]
        if len(matched) > 1 and task.exclusive:
            both.append(key)
        elif matched:
            labels[key] = matched[0] if task.exclusive else task.label_of(dict.fromkeys(matched, True))
    return Verdict(labels, tuple(both))


def counted(task: Task, labels: Mapping[str, str]) -> Counter[str]:
    """Class or tag → number of photos with it."""
    return Counter(name for label in labels.values() for name, has in task.tags_of(label).items() if has)


def sidecar_bytes(stage: Stage, key: str) -> bytes:
    """The bytes of a sidecar. Raises `UnreadableXmp`, also for a link that leaves the stage."""
    return bytes_inside(stage.folder, stage.name_of(key))


def _is_sidecar(name: str) -> bool:
    return name.casefold().endswith(SUFFIX)


def _look(names: Sequence[str], read: Callable[[str], bytes]) -> tuple[Values, dict[str, str]]:
    """What the packets of a photo say, the first ones first, and which were refused."""
    values, refused = Values(), {}
    for name in names:
        if values.rates and not _is_sidecar(name):
            break
        try:
            data = read(name)
            if data or _is_sidecar(name):
                values = values.filled_from(values_of(parse(data)))
        except UnreadableXmp as error:
            refused[name] = str(error)
        except UnreadablePhoto:  # the page and `embed` say so
            pass
    return values, refused
