"""The processes of one training: this process alone, or several launched by Hugging Face Accelerate.

    python -m imlcull_al train --project my_project --processes 2

Each process computes its share of every batch and receives all results, so all make the same decisions. The main
process alone writes files, reports progress and is asked to stop. If one process ends early, the next exchange fails in
the others and ends them too. The only module that imports accelerate, and only in a process launched as one of several.
Independent of models, photos and stages.
"""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import TrainingError
from ..installation import pip_install_cluster
from ..parallel import threads

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
PATIENCE = timedelta(minutes=10)
"""Timeout of an exchange. A process that died is noticed at once."""


class Processes(Protocol):
    """The collective operations that a training needs."""

    count: int
    main: bool

    @property
    def device(self) -> "torch.device":
        """The device that this process computes on."""
        ...

    def share(self, total: int) -> slice:
        """This process's share of `total` items. The shares of all processes, in order, cover all items."""
        ...

    def gather(self, mine: "Tensor", total: int) -> "Tensor":
        """Concatenate the rows of all processes to (total, …); `mine` has one row per item of this process's share."""
        ...

    def gather_objects(self, mine: list[Value]) -> list[Value]:
        """Concatenate the lists of all processes."""
        ...

    def add_up(self, mine: "Tensor") -> "Tensor":
        """Sum over all processes."""
        ...

    def any(self, mine: bool) -> bool:
        """Whether `mine` is true in any process."""
        ...

    def from_main(self, value: Value) -> Value:
        """The main process's value."""
        ...


class Alone:
    """A single process."""

    count, main = 1, True

    @property
    def device(self) -> "torch.device":
        """The chosen device, by default the best of this machine."""
        from ..encoding.device import device

        return device()

    def share(self, total: int) -> slice:
        """All items."""
        return slice(0, total)

    def gather(self, mine: "Tensor", total: int) -> "Tensor":
        """`mine`, unchanged."""
        return mine

    def gather_objects(self, mine: list[Value]) -> list[Value]:
        """`mine`, unchanged."""
        return mine

    def add_up(self, mine: "Tensor") -> "Tensor":
        """`mine`, unchanged."""
        return mine

    def any(self, mine: bool) -> bool:
        """`mine`, unchanged."""
        return mine

    def from_main(self, value: Value) -> Value:
        """`value`, unchanged."""
        return value


class Together:
    """One of several processes, on the device that Accelerate assigns."""

    def __init__(self) -> None:
        """Wait for the other processes. Raises `TrainingError` if Accelerate is missing or the others don't connect."""
        try:
            import accelerate
        except ImportError as error:
            raise TrainingError(
                f"This training was launched as one of {launched_as()} processes, which needs Hugging Face Accelerate. "
                f"Install it in the environment of each: {pip_install_cluster()}"
            ) from error
        from ..encoding.device import device

        forced = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
        self._operations: Any = accelerate.utils
        try:
            state = accelerate.PartialState(cpu=forced or device().type != "cuda", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:  # torch raises its network errors as RuntimeError
            raise TrainingError(
                f"The {launched_as()} processes of this training could not connect: {str(error)[:200]}. "
                "Check addresses and ports, then launch them again."
            ) from error
        self.count, self.main, self._number = state.num_processes, state.is_main_process, state.process_index
        self._device = state.device

    @property
    def device(self) -> "torch.device":
        """The device that Accelerate assigned."""
        return self._device  # type: ignore[no-any-return]

    def share(self, total: int) -> slice:
        """A contiguous slice of `total` items; the last processes' may be shorter or empty."""
        each = -(-total // self.count)
        return slice(min(self._number * each, total), min((self._number + 1) * each, total))

    def gather(self, mine: "Tensor", total: int) -> "Tensor":
        """(total, …) on this process's device."""
        each = -(-total // self.count)
        padded = mine.new_zeros((each, *mine.shape[1:]), device=self.device)
        padded[: len(mine)] = mine
        rows: Tensor = self._exchange(self._operations.gather, padded)
        return rows[:total]

    def gather_objects(self, mine: list[Value]) -> list[Value]:
        """All lists, concatenated in process order."""
        everything: list[Value] = self._exchange(self._operations.gather_object, mine)
        return everything

    def add_up(self, mine: "Tensor") -> "Tensor":
        """The sum, as a new tensor."""
        total: Tensor = self._exchange(self._operations.reduce, mine, "sum")
        return total

    def any(self, mine: bool) -> bool:
        """A collective call as well, so all processes stop at the same step."""
        import torch

        return bool(self.add_up(torch.tensor([float(mine)], device=self.device)))

    def from_main(self, value: Value) -> Value:
        """Broadcast by pickle; all processes belong to one user."""
        (sent,) = self._exchange(self._operations.broadcast_object_list, [value])
        result: Value = sent
        return result

    def _exchange(self, operation: Any, *arguments: Any) -> Any:
        try:
            return operation(*arguments)
        except RuntimeError as error:  # a closed connection, or a timeout after `PATIENCE`
            raise TrainingError(
                "Another process of this training ended early, so this one ended too; the best epoch so far is "
                f"kept. Check the output of the others, then launch them again. ({str(error).splitlines()[0][:200]})"
            ) from error


def launched_as() -> int:
    """How many processes were launched together; 1 for a single process."""
    return max([1, *(int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdigit())])


def joined() -> Processes:
    """Join the other processes of this training. Raises `TrainingError` if they can't be reached."""
    return Together() if launched_as() > 1 else Alone()


def is_helper() -> bool:
    """Whether this process was launched beside a main process, which does all printing."""
    numbers = [os.environ.get(name, "") for name in _RANKS]
    return launched_as() > 1 and any(number.isdigit() and int(number) > 0 for number in numbers)


def start(count: int, arguments: Sequence[str]) -> None:
    """Replace this process by `count` processes that train together, each run as `python -m imlcull_al ARGUMENTS`.

    Torch's launcher starts them on this machine and connects them; they share its cores, and its GPUs if it has one for
    each. Returns at once for a count of 1, and in a process that was launched as one of several. Raises `TrainingError`
    without Accelerate, and where `accelerate launch --cpu` has started a single process.
    """
    if launched_as() > 1:
        return
    if count < 2:
        if "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ:
            raise TrainingError("accelerate launch --cpu starts one process only. Use `train --processes N` instead.")
        return
    if find_spec("accelerate") is None:
        raise TrainingError(
            f"A training in {count} processes needs Hugging Face Accelerate. Install it: {pip_install_cluster()}"
        )
    import torch

    from ..encoding.device import device

    if device().type != "cuda" or torch.cuda.device_count() < count:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads() // count)))
    sys.stdout.flush()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    os.execv(sys.executable, [*launcher, "-m", "imlcull_al", *arguments])
