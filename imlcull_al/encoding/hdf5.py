"""Columns of rows in one HDF5 file that is never changed. The only module that imports h5py; knows no meanings.

    attributes   as given
    datasets     the columns (N, ...), contiguous; attribute `check`: the content id (BLAKE3) of the dataset's bytes
HDF5 checks its own notes, `check` the rest.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..project.files import open_own, write_all
from ..project.originals import content_id

TROUBLE = (
    OSError, LookupError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError, MemoryError,
)  # fmt: skip
"""What h5py raises on a broken file."""
_CHECKED = {"libver": ("v108", "v108")}  # since version 1.8, HDF5 checks its own notes


def write(path: Path, attributes: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
    """Make a file. Raises `OSError` if the disk refuses."""
    import h5py

    with path.open("wb", buffering=0) as stream:
        calm = _Calm(stream)
        with h5py.File(calm, "w", **_CHECKED) as file:
            for name, value in attributes.items():
                _note(file, name, value)
            for name, column in columns.items():
                _note(file.create_dataset(name, data=column), "check", _check(column))
        if calm.error:
            raise calm.error


def read(
    path: Path,
    attributes: Mapping[str, Any],
    columns: Mapping[str, np.dtype],
    wanted: Sequence[str],
    into: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The columns `wanted`; if it is one, read `into` an array (N, ...), which holds anything after an error.

    `columns`: the dtype of one row of each column in the file, shape included.
    Raises one of `TROUBLE`, `FileNotFoundError` and `PermissionError` among them, if the file can't be read, is damaged
    or says other things of itself than it should.
    """
    import h5py

    with open_own(path) as stream, h5py.File(stream, "r") as file:
        for name, expected in attributes.items():
            if (value := _plain(file.attrs[name])) != expected:
                raise ValueError(f"its {name} is {value}, not {expected}")
        count = min(len(file[name]) for name in columns)
        return [_column(file[name], name, count, columns[name], into) for name in wanted]


def about(path: Path, column: str) -> tuple[dict[str, Any], int]:
    """The attributes of a file, unchecked, and how many rows its `column` has. Raises as `read`."""
    import h5py

    with open_own(path) as stream, h5py.File(stream, "r") as file:
        return {name: _plain(value) for name, value in file.attrs.items()}, len(file[column])


def _column(dataset: Any, name: str, count: int, dtype: np.dtype, into: np.ndarray | None) -> np.ndarray:
    if dataset.shape != (count, *dtype.shape) or dataset.dtype != dtype.base:
        raise ValueError(f"its {name} is {dataset.dtype} {dataset.shape}")
    column = np.empty(dataset.shape, dtype.base) if into is None else into
    dataset.read_direct(column)
    if _plain(dataset.attrs["check"]) != _check(column):
        raise ValueError(f"the check of its {name} doesn't match")
    return column


def _check(column: np.ndarray) -> str:
    return content_id(column.reshape(-1).view(np.uint8).data)


def _note(owner: Any, name: str, value: Any) -> None:
    """An attribute. Strings have a fixed length: those on HDF5's heap are not checked."""
    import h5py

    text = h5py.string_dtype(length=max(len(value.encode()), 1)) if isinstance(value, str) else None
    owner.attrs.create(name, value, dtype=text)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


class _Calm:
    """A file for HDF5 to write to. After a refused write, HDF5 could neither go on nor close: so the first error is
    kept in `error`, and whatever is written later is dropped.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = self._size = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        self._try(self._write, data)
        self._size = max(self._size, self.seek(self._position + len(data)))
        return len(data)

    def truncate(self, size: int) -> int:
        self._size = size
        self._try(self._stream.truncate, size)
        return size

    def flush(self) -> None:
        """Nothing is buffered."""

    def read(self, size: int) -> bytes:
        """HDF5 looks for this method and doesn't call it: it has what it wrote."""
        raise AssertionError(f"HDF5 reads {size} bytes")

    def _write(self, data: Any) -> None:
        self._stream.seek(self._position)
        write_all(self._stream, data)

    def _try(self, step: Callable[[Any], object], argument: Any) -> None:
        try:
            if self.error is None:
                step(argument)
        except OSError as error:
            self.error = error
