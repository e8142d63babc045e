"""What a report calls the answers to the question of a task, and the probabilities of a model.

Independent of numbers and plots.
"""

from typing import NamedTuple

from ..learning.choice import AVERAGE, HEAD, MODEL, Choice
from ..project.task import CULL_TASK, Task
from .evaluation import YES


class Pair(NamedTuple):
    """The two answers to a question. `meanings`: of the user's answer (row) and the model's decision (column). `nouns`:
    a photo of each answer, in singular and plural.
    """

    answers: tuple[str, str]
    meanings: tuple[tuple[str, str], tuple[str, str]]
    nouns: tuple[tuple[str, str], tuple[str, str]]


class Chance(NamedTuple):
    """A probability and the event that it is of. `name`: of the probability; `event`: how often it came true; `above`:
    what a point above the diagonal says; `x`, `y`: the axes; `noun`: what is counted, in the plural.
    """

    name: str
    event: str
    above: str
    x: str
    y: str
    noun: str = "photos"


class Terms(NamedTuple):
    """What the shares of a precision-recall or ROC curve are of, and what the area below the latter is the share of.
    `probability`: its name; `noun`: what has a curve each, in the plural.
    """

    recall: str
    precision: str
    fallout: str
    pair: str
    probability: str = "probability"
    noun: str = "classes"


def pair_of(task: Task) -> Pair:
    """The two answers of a task that `is_binary`."""
    if task == CULL_TASK:
        return Pair(
            ("keep", "cull"),
            (("kept by both", "lost keepers"), ("kept culls", "culled by both")),
            (("keeper", "keepers"), ("cull", "culls")),
        )
    first, *other = task.classes
    second = other[0] if other else f"not {first}"
    meanings = (f"{first} by both", f"model: {second}"), (f"model: {first}", f"{second} by both")
    return Pair((first, second), meanings, ((first, first), (second, second)))


def chance_of(task: Task) -> Chance:
    """The probability in the reliability diagram of a task."""
    if task == CULL_TASK:
        return Chance(
            "p_keep",
            "share kept",
            "you keep more than p_keep says",
            "p_keep, the model's probability that you keep the photo (%)",
            "photos you kept (%)",
        )
    if task.is_binary:
        what, event, y, noun = (
            task.classes[0],
            "share labeled so",
            f"photos you labeled {task.classes[0]} (%)",
            "photos",
        )
    elif task.exclusive:
        what, event, y, noun = "the likeliest class", "share right", "photos of which it is right (%)", "photos"
    else:
        what, event, y, noun = "the tag", "share with the tag", "decisions where you gave the tag (%)", "decisions"
    above = "true more often than the model says"
    return Chance("probability", event, above, f"the model's probability of {what} (%)", y, noun)


def terms_of(task: Task) -> Terms:
    """The axes of the precision-recall and ROC curves of a task."""
    if task == CULL_TASK:
        return Terms(
            "your keepers that are kept",
            "kept photos that are your keepers",
            "your culls that are kept",
            "a keeper has a larger p_keep than a cull",
            "p_keep",
        )
    if task.is_binary:
        first, second = (f"photos you labeled {answer}" for answer in pair_of(task).answers)
        return Terms(
            f"{first} that are found",
            f"photos found that are {first}",
            f"{second} that are taken for it",
            f"one of the {first} has a larger probability than one of the others",
        )
    if task.exclusive:
        whole, noun, one = "photos of the class", "classes", "a photo of the class"
    else:
        whole, noun, one = "photos with the tag", "tags", "a photo with the tag"
    return Terms(
        f"{whole} that are found",
        f"photos found that are {whole}",
        "other photos that are taken for it",
        f"{one} has a larger probability than another photo",
        noun=noun,
    )


def answer_in_words(tag: str, answer: str) -> str:
    """A class as it is; `red` or `not red` for a tag."""
    if not tag:
        return answer
    return tag if answer == YES else f"not {tag}"


_COUNTING = {
    HEAD: "scores without training count",
    MODEL: "the scores of the trained model count",
    AVERAGE: "the mean of both scores counts",
}


def what_counts(choice: Choice, task: Task) -> str:
    """One sentence: which scores count, and the accuracy of each on answers left out of the training."""
    if not choice.accuracies:
        return "No answer could be left out of a training, so scores without training count from now on."
    of = "the answers" if task.exclusive else "the tags"
    model, head, average = (f"{choice.accuracies[name]:.1%}" for name in (MODEL, HEAD, AVERAGE))
    return (
        f"Of {of} left out in turn, {model} are right with the trained model, {head} without training and {average} "
        f"with the mean of both: {_COUNTING[choice.scores]} from now on."
    )
