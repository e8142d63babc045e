"""Rules that turn ratings into answers: `rating>=3`, `rating==-1 or label==Red`, `pick==1 and keyword!="to print"`.

    rule       = all {"or" all}
    all        = comparison {"and" comparison}
    comparison = field operator value

| field | operators | value |
| --- | --- | --- |
| rating | == != < <= > >= | −1 for rejected, 0 … 5 |
| pick | the same | −1 for rejected, 0, 1 for picked |
| label, color | == != | text, or a color: red, orange, yellow, green, blue, purple, gray, black, white |
| keyword | == != | a keyword, in any case |

A comparison with what a photo doesn't say is false, so a photo without a rating matches no rule about ratings.
Independent of files.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import RatingsRefused
from .values import COLORS, Values, color_of

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TOKEN = re.compile(r"""\s*(?:([<>=!]+)|"([^"]*)"|'([^']*)'|([^\s<>=!"']+))""")
_NUMBERS, _TEXTS = ("rating", "pick"), ("label", "color", "keyword")
_ALIASES = {"colour": "color", "stars": "rating", "keywords": "keyword"}
_LONGEST = 1000
_EXAMPLES = 'such as rating>=3, pick==1, label==Red, color!=green or keyword=="to print", joined by and, or'


@dataclass(frozen=True)
class Comparison:
    """One comparison of a rule; `number` is used for ratings and flags, `text`, folded, for all others."""

    field: str
    sign: str
    text: str
    number: float = 0

    def __call__(self, values: Values) -> bool:
        """Whether it holds for a photo."""
        if self.field in _NUMBERS:
            said = values.rating if self.field == "rating" else values.pick
            return said is not None and _OPERATORS[self.sign](said, self.number)
        texts = {text.casefold() for text in _texts(values, self.field)}
        return bool(texts) and (self.text in texts) is (self.sign == "==")


@dataclass(frozen=True)
class Rule:
    """A rule as it was written, and its alternatives, each of which is a list of comparisons that all must hold."""

    text: str
    alternatives: tuple[tuple[Comparison, ...], ...]

    def __call__(self, values: Values) -> bool:
        """Whether a photo matches."""
        return any(all(holds(values) for holds in each) for each in self.alternatives)


def rule_of(text: str) -> Rule:
    """Parse a rule. Raises `RatingsRefused` that says what is allowed."""
    if len(text) > _LONGEST:
        raise RatingsRefused(f"A rule has at most {_LONGEST} characters. Write a shorter one, {_EXAMPLES}.")
    tokens = _tokens(text)
    alternatives: list[list[Comparison]] = [[]]
    for at in range(0, max(len(tokens), 1), 4):
        alternatives[-1].append(_comparison(tokens[at : at + 3], text))
        if at + 3 < len(tokens):
            kind, word = tokens[at + 3]
            if kind != "word" or word.casefold() not in ("and", "or") or at + 4 == len(tokens):
                raise _refused(text, f"{word!r} does not continue it")
            if word.casefold() == "or":
                alternatives.append([])
    return Rule(text.strip(), tuple(map(tuple, alternatives)))


def _texts(values: Values, field: str) -> frozenset[str]:
    if field == "keyword":
        return values.keywords
    return values.colors | {values.label} - {""} if field == "label" else values.colors


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and content of each token: `sign`, `text` in quotes or `word`."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            raise _refused(text, f"{text[at:].strip()!r} has a quote without its end")
        sign, one, other, word = found.groups()
        quoted = one if one is not None else other
        tokens.append(("sign", sign) if sign else ("text", quoted) if quoted is not None else ("word", word))
        at = found.end()
    return tokens


def _comparison(tokens: list[tuple[str, str]], rule: str) -> Comparison:
    if len(tokens) < 3 or tokens[0][0] != "word" or tokens[1][0] != "sign" or tokens[2][0] == "sign":
        raise _refused(rule, "each part is a field, a comparison and a value")
    name, sign, value = tokens[0][1].casefold(), tokens[1][1], tokens[2][1].strip()
    field = _ALIASES.get(name, name)
    if field not in (*_NUMBERS, *_TEXTS):
        raise _refused(rule, f"there is no field {name!r}")
    allowed = tuple(_OPERATORS) if field in _NUMBERS else ("==", "!=")
    if sign not in allowed:
        raise _refused(rule, f"{field} is compared by one of {' '.join(allowed)}, not by {sign}")
    if field in _NUMBERS:
        return Comparison(field, sign, value, _number(field, value, rule))
    text = color_of(value) or value.casefold() if field == "color" else value.casefold()
    if field == "color" and text not in COLORS:
        raise _refused(rule, f"{value!r} is none of the colors {', '.join(COLORS)}")
    return Comparison(field, sign, text)


def _number(field: str, value: str, rule: str) -> float:
    lowest, highest = -1, 5 if field == "rating" else 1
    try:
        number = float(value.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        number = highest + 1
    if not lowest <= number <= highest:
        raise _refused(rule, f"{field} is a number from {lowest} to {highest}, not {value!r}")
    return number


def _refused(rule: str, why: str) -> RatingsRefused:
    return RatingsRefused(f"The rule {rule!r} can't be read: {why}. Write comparisons {_EXAMPLES}.")
