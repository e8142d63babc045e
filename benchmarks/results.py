"""Writes benchmark results into RESULTS.md: Markdown tables, and sections between two marks that a program replaces.

A section lies between `<!-- written by NAME: begin -->` and the next `<!-- end -->`. Independent of what is measured.
"""

from collections.abc import Sequence
from pathlib import Path

from imlcull_al.project.files import replace_text

RESULTS = Path("benchmarks/RESULTS.md")
END = "<!-- end -->"


def write_part(path: Path, name: str, part: str) -> None:
    """Replace the section `name` of the file, or append it."""
    replace_text(path, splice(path.read_text(encoding="utf-8"), name, part))


def splice(text: str, name: str, part: str) -> str:
    """`text` with the section `name` replaced, or appended if there is none."""
    begin = f"<!-- written by {name}: begin -->"
    before, found, rest = text.partition(begin)
    if not found:
        before, rest = f"{text.rstrip()}\n\n", f"{END}\n"
    _, ended, after = rest.partition(END)
    if not ended:
        raise ValueError(f"The part of {name} has no end. Put {END} behind it.")
    return f"{before}{begin}\n\n{part.strip()}\n\n{END}{after}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; line breaks and bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines) + "\n"
