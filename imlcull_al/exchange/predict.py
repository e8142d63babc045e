"""What a classifier says of photos in folders, zip archives and files, without a project.

Photos are listed, decoded and embedded as those of a stage are, and their embeddings are cached by content: a run that
was stopped goes on where it was. Zip archives are read in place. Files are written into a whole new folder, or none.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..culling import copies
from ..encoding.cache import ContentIds
from ..encoding.embeddings import Cache, Embeddings, ensure, open_cache
from ..errors import AnswersRefused, Cancelled, StageError, UnreadablePhoto
from ..learning.predictor import Predictor
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project.companions import photo_suffix
from ..project.files import making_folder
from ..project.left_out import why_folder
from ..project.listing import list_photos
from ..project.stages import Stage, absolute
from ..project.zipped import is_zip, parts
from . import folders, predictions
from .predictions import FORMATS, TOP, Prediction


@dataclass(frozen=True)
class Wish:
    """How predictions are written. `top`: classes of a photo; of tags, all count for bins. `out`: a new folder.

    `bins`: into how many folders by probability photos are placed; None for none. `link`: `copy` or `hardlink`.
    """

    top: int = TOP
    format: str = FORMATS[0]
    out: Path | None = None
    bins: int | None = None
    link: str = "copy"


@dataclass(frozen=True)
class Outcome:
    """`predictions`: of all photos, unreadable ones with their reason. `text`: for a person; empty with `Wish.out`."""

    predictions: tuple[Prediction, ...]
    text: str = ""

    @property
    def unreadable(self) -> dict[str, str]:
        """File → why it can't be read."""
        return {each.file: each.reason for each in self.predictions if each.reason}


@dataclass(frozen=True)
class _Batch:
    """Photos below one folder, that of `stage`. `paths`: key → path of a photo as other programs are told it.

    `archive`: in which they are, if they are unpacked. `total`: photos in all batches, as far as known.
    """

    stage: Stage
    paths: dict[str, str]
    total: int
    archive: str = ""
    unreadable: dict[str, str] = field(default_factory=dict)

    def file(self, path: str) -> str:
        return "/".join(part for part in (self.archive, path) if part)


def predict(
    predictor: Predictor,
    places: Sequence[Path],
    cache_dir: Path,
    wish: Wish = Wish(),
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> Outcome:
    """Predict the photos of folders, zip archives and single files.

    Raises `AnswersRefused` for a place that isn't there or can't be written, `StageError` for a folder without photos,
    `Cancelled`.
    """
    roots = [absolute(place) for place in places]
    _check(roots, predictor, wish)
    if wish.out is None:
        found = tuple(_all(predictor, roots, cache_dir, wish, _nowhere, progress, stop))
        objects = [predictions.as_object(each, predictor, wish.top) for each in found if not each.reason]
        if wish.format == "csv":
            return Outcome(found, predictions.as_csv(found, predictor, wish.top))
        return Outcome(found, f"{predictions.as_json(objects)}\n")
    taken: dict[str, int] = {}

    def put(batch: _Batch, key: str, prediction: Prediction) -> None:
        name = prediction.path.rpartition("/")[2]
        for place in predictions.bins_of(prediction, predictor.classes, wish.bins or 0):
            target = partial / folders.free(f"{predictor.name}/{place}/{name}", taken)
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.put(batch.stage, key, target, "copy" if batch.archive else wish.link, stop)

    with making_folder(absolute(wish.out)) as partial, copies.on_the_disk(partial):
        found = tuple(_all(predictor, roots, cache_dir, wish, put if wish.bins else _nowhere, progress, stop))
        for name, text in _files(found, predictor, wish):
            (partial / name).write_text(text, encoding="utf-8", newline="")
    return Outcome(found)


def _nowhere(batch: _Batch, key: str, prediction: Prediction) -> None:
    """A photo that is not placed anywhere."""


def _files(found: Sequence[Prediction], predictor: Predictor, wish: Wish) -> Iterator[tuple[str, str]]:
    """Names and texts of the files beside the bins, or instead of them."""
    readable = [each for each in found if not each.reason]
    if wish.bins:
        yield "output.json", predictions.as_json(predictions.as_output(readable, predictor))
    elif wish.format == "csv":
        yield "predictions.csv", predictions.as_csv(found, predictor, wish.top)
    else:
        taken: dict[str, int] = {}
        for each in readable:
            name = each.path.rpartition("/")[2]
            stem = name[: len(name) - len(photo_suffix(name))]
            text = predictions.as_json(predictions.as_object(each, predictor, wish.top))
            yield folders.free(f"{stem}.json", taken), text


def _check(roots: Sequence[Path], predictor: Predictor, wish: Wish) -> None:
    for root in roots:
        if not root.exists():
            raise AnswersRefused(f"There is no {root}. Name a folder of photos, a zip archive or a photo.")
    if wish.out is None:
        if wish.bins:
            raise AnswersRefused("Bins are folders of photos. Name a new folder for them with --out.")
        return
    for root in roots:
        folders.check_new(_stage_of(root), wish.out)
    if wish.bins:
        folders.check_names(predictor.classes)


def _all(
    predictor: Predictor,
    roots: Sequence[Path],
    cache_dir: Path,
    wish: Wish,
    put: Callable[[_Batch, str, Prediction], None],
    progress: Progress,
    stop: Stop,
) -> Iterator[Prediction]:
    """The predictions of all photos; `put` is called with each while its file is there."""
    most, done = len(predictor.classes) if wish.bins and not predictor.exclusive else wish.top, 0
    with closing(_batches(roots, cache_dir)) as batches:
        for batch in batches:
            seen = _embedded(batch, predictor, cache_dir, _further(progress, done, batch.total), stop)
            done += len(batch.paths)
            probability = predictor.probability(seen.rows) if seen.keys else ()
            for key, each in zip(seen.keys, probability, strict=True):
                if stop():
                    raise Cancelled("The prediction was stopped; what was computed is kept. Run it again to go on.")
                path = batch.paths[key]
                content = _content(batch.stage.path(key)) if wish.bins else ""
                prediction = Prediction(batch.file(path), path, content, *predictions.ranked(each, most))
                put(batch, key, prediction)
                yield prediction
            reasons = {**{batch.paths[key]: reason for key, reason in seen.unreadable.items()}, **batch.unreadable}
            for path, reason in sorted(reasons.items()):
                yield Prediction(batch.file(path), path, reason=reason)


def _embedded(batch: _Batch, predictor: Predictor, cache_dir: Path, progress: Progress, stop: Stop) -> Embeddings:
    cache = open_cache(cache_dir, predictor.encoder)
    if batch.archive:  # its files are gone soon, and so is what is noted of them
        cache = Cache(ContentIds(batch.stage.folder), cache.rows)
    return ensure(batch.stage.paths(batch.paths), predictor.encoder, cache, progress=progress, stop=stop)


def _further(progress: Progress, before: int, total: int) -> Progress:
    """The progress of a part of the photos as that of all of them."""
    return lambda what, done, _: progress("predicting", before + done, total)


def _content(path: Path) -> str:
    try:
        return photos.identify(path)
    except UnreadablePhoto:
        return ""  # gone since it was predicted; the copy says so


def _batches(roots: Sequence[Path], cache_dir: Path) -> Generator[_Batch]:
    """All photos, each once, those in archives last. Raises `StageError` for a folder with neither."""
    loose: list[tuple[Stage, dict[str, str]]] = []
    archives: list[Path] = []
    known: set[str] = set()
    for root in roots:
        stage = _stage_of(root if root.is_dir() else root.parent)
        keys = [root.name]
        if root.is_dir():
            zips = _archives(root)
            try:
                keys = list(list_photos(stage).keys)
            except StageError:
                if not zips:
                    raise
                keys = []
            archives += zips
        elif is_zip(root):
            keys, archives = [], [*archives, root]
        paths = {key: path for key, path in stage.paths(keys).items() if path not in known}
        known.update(paths.values())
        loose.append((stage, paths))
    total = sum(len(paths) for _, paths in loose)
    for stage, paths in loose:
        if paths:
            yield _Batch(stage, paths, total)
    cache_dir.mkdir(parents=True, exist_ok=True)
    for archive in dict.fromkeys(archives):
        inside = 0
        with closing(parts(archive, folder=cache_dir)) as unpacked:
            for part in unpacked:
                inside = part.total
                yield _Batch(_stage_of(part.folder), part.files, total + inside, str(archive), part.unreadable)
        total += inside


def _archives(root: Path) -> list[Path]:
    """The zip archives in a folder, without links, which may leave it."""
    return sorted(
        path
        for path in root.rglob("*")
        if is_zip(path) and path.is_file() and not path.is_symlink() and not _is_left_out(path.relative_to(root))
    )


def _is_left_out(path: Path) -> bool:
    return any(map(why_folder, path.parts[:-1]))


def _stage_of(folder: Path) -> Stage:
    """A stage that stands for any folder."""
    return Stage(folder.parent, 1, elsewhere=folder)
