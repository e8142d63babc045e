"""The split of labeled photos into training and validation, stratified by class or tag. Pure arithmetic.

Independent of photos, files and torch.
"""

import warnings
from collections.abc import Iterable

import numpy as np

from ..errors import NotEnoughLabels
from ..project.task import CULL_TASK, Task, in_words


def split(
    targets: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None, task: Task = CULL_TASK
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified split of `task.targets` (n, K) into positions (train, validation). `share` of each class goes to
    validation, for tags `share` of the photos with and of those without each tag.

    `groups` (n,): photos with the same number (a burst) are never separated, so each class comes as close to `share` as
    whole groups allow. Without it every photo is its own group. Every class of two groups or more is on both sides, as
    far as its groups hold no other class that training would lose with them. Raises `NotEnoughLabels` unless two
    classes, or both answers to one tag, have two groups each.
    """
    names = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    kinds = targets == 1 if task.exclusive else np.hstack([targets == 1, targets == 0])
    bursts = np.array([len(np.unique(names[kind])) for kind in kinds.T])
    _check_enough(kinds.sum(axis=0).tolist(), bursts.tolist(), task)
    free = ~np.isin(names, names[kinds[:, bursts < 2].any(axis=1)])  # the only group of a class is trained on
    divided = (bursts >= 2) & kinds[free].any(axis=0)
    if divided.sum() < 2:
        free, divided = np.ones(len(targets), bool), bursts >= 2
    kinds, chance = kinds[:, divided], np.random.default_rng(seed)
    order = np.concatenate([names[chance.permutation(np.flatnonzero(kind & free))] for kind in kinds.T])
    counts = np.stack([np.bincount(names, weights=kind) for kind in kinds.T], axis=1)
    total = counts.sum(axis=0)
    wanted = np.clip(np.round(total * share), 1, total - 1)
    some = chance.permutation(np.unique(order))[: round(share * len(np.unique(order))) if len(total) > 2 else 0]
    chosen = _gather(order, counts, wanted, _with(some, [], counts))
    if not counts[chosen].sum(axis=0).all():  # every group of a class is far larger than its share
        chosen = _gather(order, counts, wanted, _with(some, _few_of_every_kind(order, counts), counts))
    validation = np.isin(names, chosen)
    return np.flatnonzero(~validation), np.flatnonzero(validation)


def folds(
    targets: np.ndarray, count: int, seed: int, groups: np.ndarray | None = None, task: Task = CULL_TASK
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions (train, validation) of up to `count` folds, stratified by class or combination of tags.

    Every photo is in the validation of one fold, unless that would leave nothing to tell apart in its training, or
    nothing of its class.

    `groups` as for `split`, which raises `NotEnoughLabels` where this would find no two folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import

    names = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    kinds, sizes = np.unique(np.nan_to_num(targets, nan=-1), axis=0, return_inverse=True, return_counts=True)[1:]
    if not task.exclusive:  # rare combinations of tags together are one kind
        kinds = np.where(sizes[kinds] < count, -1, kinds)
    _, kinds, sizes = np.unique(kinds, return_inverse=True, return_counts=True)
    divided = StratifiedGroupKFold(min(count, len(np.unique(names)), int(sizes.max())), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the folds are many is no fault
        parts = list(divided.split(kinds, kinds, names))
    parts = [(learned, _fair(learned, held, targets, task)) for learned, held in parts]
    return [part for part in parts if len(part[1]) and _tells_apart(targets[part[0]], task)]


def _fair(learned: np.ndarray, held: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """The photos of `held` that may judge a training on `learned`: not those of a class that it could not learn."""
    if not task.exclusive:
        return held
    has_class = (targets[learned] == 1).any(axis=0)
    fair: np.ndarray = held[has_class[targets[held].argmax(axis=1)]]
    return fair


def _tells_apart(targets: np.ndarray, task: Task) -> bool:
    """Whether `targets` (n, K) have two classes, or a tag with and without photos."""
    if task.exclusive:
        return int((targets == 1).any(axis=0).sum()) > 1
    return bool(((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any())


def _check_enough(photos: list[int], bursts: list[int], task: Task) -> None:
    """Raise `NotEnoughLabels` if too few kinds have two bursts. `photos`, `bursts`: their numbers by class, for tags by
    tag, first with and then without it.
    """
    if not task.exclusive:
        _check_tags(photos, bursts, task)
    elif task.is_binary:
        _check_both(photos, bursts, task)
    else:
        _check_classes(photos, bursts, task)


def _check_both(photos: list[int], bursts: list[int], task: Task) -> None:
    for name, count, parts in zip(task.classes, photos, bursts, strict=True):
        if count < 2:
            raise NotEnoughLabels(
                f"Training needs at least 2 readable photos of each class; there are {_numbered(photos, task)}. Label "
                f"more photos as {name} first."
            )
        if parts < 2:
            raise NotEnoughLabels(
                f"Training needs photos of each class from at least 2 bursts; all {count} {name} are in one "
                f"burst, which is never split. Label photos of other moments as {name} first."
            )


def _check_classes(photos: list[int], bursts: list[int], task: Task) -> None:
    if sum(count >= 2 for count in photos) < 2:
        raise NotEnoughLabels(
            f"Training needs 2 classes with at least 2 readable photos each; there are {_numbered(photos, task)}. "
            "Label more photos first."
        )
    if sum(parts >= 2 for parts in bursts) < 2:
        raise NotEnoughLabels(
            "Training needs 2 classes with photos from at least 2 bursts each, because a burst is never split. Label "
            "photos of other moments first."
        )


def _check_tags(photos: list[int], bursts: list[int], task: Task) -> None:
    middle = len(task.classes)
    pairs = list(zip(photos[:middle], photos[middle:], strict=True))
    if not any(min(pair) >= 2 for pair in pairs):
        counts = [
            f"{name} ({have} with, {lack} without)" for name, (have, lack) in zip(task.classes, pairs, strict=True)
        ]
        raise NotEnoughLabels(
            f"Training needs a tag that at least 2 readable photos have and 2 don't; there are {in_words(counts)}. Tag "
            "more photos first."
        )
    if not any(min(pair) >= 2 for pair in zip(bursts[:middle], bursts[middle:], strict=True)):
        raise NotEnoughLabels(
            "Training needs a tag that photos of at least 2 bursts have and 2 don't, because a burst is never split. "
            "Tag photos of other moments first."
        )


def _numbered(photos: list[int], task: Task) -> str:
    return in_words([f"{count} {name}" for name, count in zip(task.classes, photos, strict=True)])


def _gather(order: np.ndarray, counts: np.ndarray, wanted: np.ndarray, chosen: list[int]) -> list[int]:
    """Local search: toggle groups of `order` in and out of `chosen` while that brings the chosen photos of all kinds
    (G, S) closer to `wanted` (S,), relative to `wanted`. No kind is taken whole, and none loses its last photo.
    """
    inside, have = set(chosen), counts[chosen].sum(axis=0).tolist()
    total, goal = counts.sum(axis=0).tolist(), wanted.tolist()
    held: dict[int, list[tuple[int, float]]] = {}
    for group, kind in np.argwhere(counts).tolist():
        held.setdefault(group, []).append((kind, counts[group, kind]))
    groups, changed = list(dict.fromkeys(order.tolist())), True

    def distance(numbers: Iterable[tuple[int, float]]) -> float:
        return sum(abs(number - goal[kind]) / goal[kind] for kind, number in numbers)

    while changed and distance(enumerate(have)):
        changed = False
        for group in groups:
            sign = -1 if group in inside else 1
            before = [(kind, have[kind]) for kind, _ in held[group]]
            after = [(kind, have[kind] + sign * size) for kind, size in held[group]]
            if sign < 0:
                possible = all(have) and all(number > 0 for _, number in after)
            else:
                possible = all(number < total[kind] for kind, number in after)
            if possible and distance(after) < distance(before):
                inside.symmetric_difference_update({group})
                changed = True
                for kind, number in after:
                    have[kind] = number
    return sorted(inside)


def _with(some: np.ndarray, few: list[int], counts: np.ndarray) -> list[int]:
    """The groups `few`, and those of `some` that leave others of every kind (G, S).

    A random share of all groups is near the goal for many kinds at once; a local search from nothing gets stuck far
    from it.
    """
    chosen, rest = dict.fromkeys(few), counts.sum(axis=0) - counts[few].sum(axis=0)
    for group in some.tolist():
        if group not in chosen and ((counts[group] == 0) | (counts[group] < rest)).all():
            chosen[group], rest = None, rest - counts[group]
    return list(chosen)


def _few_of_every_kind(order: np.ndarray, counts: np.ndarray) -> list[int]:
    """A few small groups of `order` that hold photos of every kind (G, S), as far as all other groups do so too.

    Greedy: next comes the group with the most kinds that are still missing, the smallest of these.
    """
    photos, rest, held = counts.sum(axis=1), counts.sum(axis=0), counts > 0
    gain, missing, chosen = held.sum(axis=1), np.ones(len(rest), bool), list[int]()
    free = np.isin(np.arange(len(counts)), order) & ~(held & (counts >= rest)).any(axis=1)
    while (best := free & (gain == gain[free].max(initial=1))).any():
        candidates = np.flatnonzero(best) if gain[best].max() > 1 else order[best[order]]
        group = int(candidates[np.argmin(photos[candidates])])
        chosen.append(group)
        changed = held[group]
        rest = rest - counts[group]
        gain = gain - held[:, changed & missing].sum(axis=1)
        free &= ~(held[:, changed] & (counts[:, changed] >= rest[changed])).any(axis=1)  # training needs the last ones
        missing &= ~changed
    return chosen
