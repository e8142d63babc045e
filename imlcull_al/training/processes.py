"""The processes of one training: this one alone, or several that Hugging Face Accelerate brought together.

    accelerate launch --cpu --num_processes 2 -m imlcull_al train --project my_project

Each does its share of every batch, and all know all results, so all decide alike. The first is the main one: what is
written, shown and asked, it writes, shows and is asked. One that ends early ends the others: their next exchange fails.
The only module that imports accelerate, and only in a process that was launched as one of several.
Knows nothing of models, photos or stages.
"""

import os
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import TrainingError
from ..installation import pip_install_cluster

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
PATIENCE = timedelta(minutes=10)
"""How long one waits for the others at an exchange before it gives up; one that died is noticed at once."""


class Processes(Protocol):
    """What a training needs to know of the others."""

    count: int
    main: bool

    @property
    def device(self) -> "torch.device":
        """What this process computes on."""
        ...

    def share(self, total: int) -> slice:
        """Which of `total` items are this process's; those of all processes, in order, are all items."""
        ...

    def gather(self, mine: "Tensor", total: int) -> "Tensor":
        """The rows of all processes, (total, …), from each one's `mine`, one row for each item of its share."""
        ...

    def gather_objects(self, mine: list[Value]) -> list[Value]:
        """The same for lists of anything."""
        ...

    def add_up(self, mine: "Tensor") -> "Tensor":
        """The sum over all processes."""
        ...

    def any(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        ...

    def from_main(self, value: Value) -> Value:
        """The main process's value."""
        ...


class Alone:
    """One process, which does everything."""

    count, main = 1, True

    @property
    def device(self) -> "torch.device":
        """The best of this machine."""
        from ..encoding.backbone import device

        return device()

    def share(self, total: int) -> slice:
        """Everything."""
        return slice(0, total)

    def gather(self, mine: "Tensor", total: int) -> "Tensor":
        """What there is."""
        return mine

    def gather_objects(self, mine: list[Value]) -> list[Value]:
        """What there is."""
        return mine

    def add_up(self, mine: "Tensor") -> "Tensor":
        """What there is."""
        return mine

    def any(self, mine: bool) -> bool:
        """Whether it is so."""
        return mine

    def from_main(self, value: Value) -> Value:
        """The value."""
        return value


class Together:
    """One of several processes, each with the device that Accelerate gives it."""

    def __init__(self) -> None:
        """Wait for the others. Raises `TrainingError` without Accelerate, and where the others don't come."""
        try:
            import accelerate
        except ImportError as error:
            raise TrainingError(
                f"This training was launched as one of {launched_as()} processes, which needs Hugging Face Accelerate. "
                f"Install it in the environment of each: {pip_install_cluster()}"
            ) from error
        import torch

        forced = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
        self._operations: Any = accelerate.utils
        try:
            state = accelerate.PartialState(cpu=forced or not torch.cuda.is_available(), timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:  # torch's own errors of its network are RuntimeErrors
            raise TrainingError(
                f"The {launched_as()} processes of this training did not come together: {str(error)[:200]}. "
                "Check addresses and ports, then launch them again."
            ) from error
        self.count, self.main, self._number = state.num_processes, state.is_main_process, state.process_index
        self._device = state.device

    @property
    def device(self) -> "torch.device":
        """The one that Accelerate gave it."""
        return self._device  # type: ignore[no-any-return]

    def share(self, total: int) -> slice:
        """One stretch of `total` items; the last processes' may be shorter, or empty."""
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
        """All lists, one behind the other."""
        everything: list[Value] = self._exchange(self._operations.gather_object, mine)
        return everything

    def add_up(self, mine: "Tensor") -> "Tensor":
        """A new tensor."""
        total: Tensor = self._exchange(self._operations.reduce, mine, "sum")
        return total

    def any(self, mine: bool) -> bool:
        """An exchange too, so that all stop at the same step."""
        import torch

        return bool(self.add_up(torch.tensor([float(mine)], device=self.device)))

    def from_main(self, value: Value) -> Value:
        """By pickle, between processes of one user."""
        (sent,) = self._exchange(self._operations.broadcast_object_list, [value])
        result: Value = sent
        return result

    def _exchange(self, operation: Any, *arguments: Any) -> Any:
        try:
            return operation(*arguments)
        except RuntimeError as error:  # a closed connection, or nobody there for `PATIENCE`
            raise TrainingError(
                "Another process of this training ended before it, so this one ended too; the best epoch so far is "
                f"kept. See what the others say, then launch them again. ({str(error).splitlines()[0][:200]})"
            ) from error


def launched_as() -> int:
    """Of how many processes this one was launched as one; 1 where it is alone."""
    return max([1, *(int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdigit())])


def joined() -> Processes:
    """The processes of a training in this process. Raises `TrainingError` where the others can't be joined."""
    return Together() if launched_as() > 1 else Alone()


def is_helper() -> bool:
    """Whether this process was launched beside a main one, which does the talking."""
    numbers = [os.environ.get(name, "") for name in _RANKS]
    return launched_as() > 1 and any(number.isdigit() and int(number) > 0 for number in numbers)


def start_the_others(arguments: Sequence[str]) -> None:
    """Where `accelerate launch --cpu --num_processes N` left this process alone, become N of them.

    Without MPI that launcher starts a single process on processors, whatever N: torch's own launcher takes its place
    in this one, with `arguments` (those behind `-m imlcull_al`). Returns at once wherever else. Raises `TrainingError`
    where N can't be found out.
    """
    is_alone = launched_as() == 1 and not any(name in os.environ for name in _SIZES)
    if not is_alone or "ACCELERATE_USE_CPU" not in os.environ or "MASTER_ADDR" not in os.environ:
        return
    count = _asked_for(_command_of_launcher())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    if not count:
        raise TrainingError(
            "accelerate launch started one process only. Start them with torch's launcher: "
            "python -m torch.distributed.run --nproc_per_node 2 -m imlcull_al train …"
        )
    sys.stdout.flush()
    os.execv(sys.executable, [*launcher, str(count), "-m", "imlcull_al", *arguments])


def _command_of_launcher() -> list[str]:
    """The command line of the process that started this one; empty where it can't be read."""
    try:
        import psutil

        return list(psutil.Process().parent().cmdline())
    except (ImportError, AttributeError, OSError):
        return []
    except psutil.Error:
        return []


def _asked_for(command: Sequence[str]) -> int:
    """The value of --num_processes among the words of a command line of `accelerate launch`; 0 for none."""
    found = re.search(r"\0--num[_-]processes[=\0](\d+)\0", "\0".join(["", *command, ""]))
    return int(found[1]) if found else 0
