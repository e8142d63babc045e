"""The timer of the page: a single request each second updates everything that changes by itself."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr

from ..errors import NoWorkspace
from ..session.desk import Desk
from .look import answers, sentence
from .serving import Find
from .telling import attempt

SECONDS = 1.0


class Poll(NamedTuple):
    """A function of the desk and its inputs, and the components that it updates."""

    function: Callable[..., Any]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    message: gr.HTML | None

    def shown(self, find: Find, request: gr.Request, values: Sequence[Any]) -> tuple[Any, ...]:
        """Updates of `outputs` and, if there is one, of `message`."""
        seen, error = attempt(lambda: _look(find, request, self.function, values))
        if seen is None:
            shown: tuple[Any, ...] = (gr.skip(),) * len(self.outputs)
        else:
            shown = tuple(seen) if len(self.outputs) > 1 else (seen,)  # as many as `outputs`
        if self.message is None:
            return shown
        return (*shown, sentence(error, "failed") if error else gr.skip())


class Clock:
    """Collects what to poll while the page is built, then starts one timer for all of it.

    With a timer for each, an open page would send eight requests a second.
    """

    def __init__(self, find: Find) -> None:
        """Nothing is polled until `start`."""
        self._find = find
        self._polls: list[Poll] = []

    def every_second(
        self, function: Callable[..., Any], inputs: Any, outputs: Any, message: gr.HTML | None = None
    ) -> None:
        """Poll `function(desk, *inputs)`, which must be read-only: bypasses the queue, shows no progress indicator.

        On failure the outputs stay unchanged and the error goes to `message`. For a visitor without a desk, a no-op.
        """
        self._polls.append(Poll(function, _listed(inputs), _listed(outputs), message))

    def until_answers_change(self, message: gr.HTML) -> gr.State:
        """Clear `message` once the answers differ from those in the returned state."""
        then = gr.State()

        def look(desk: Desk, known: Any) -> Any:
            now, _ = attempt(lambda: answers(desk))  # None while the labels can't be read
            if known is None:  # nothing to clear; and a press that this look did not see may have failed meanwhile
                return now, gr.skip()
            return (gr.skip(), gr.skip()) if now == known else (now, "")

        self.every_second(look, then, [then, message])
        return then

    def start(self) -> None:
        """Add the timer to the page."""

        def tick(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            shown: list[Any] = []
            left = list(values)
            for poll in self._polls:
                taken, left = left[: len(poll.inputs)], left[len(poll.inputs) :]
                shown += poll.shown(self._find, request, taken)
            return tuple(shown)

        gr.Timer(SECONDS).tick(
            tick,
            [each for poll in self._polls for each in poll.inputs],
            [each for poll in self._polls for each in (*poll.outputs, *_listed(poll.message))],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )


def _listed(components: Any) -> list[Any]:
    if components is None:
        return []
    return list(components) if isinstance(components, list | tuple) else [components]


def _look(find: Find, request: gr.Request, function: Callable[..., Any], values: Any) -> Any:
    try:
        desk = find(request)
    except NoWorkspace:
        return None
    return function(desk, *values)
