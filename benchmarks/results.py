"""How benchmarks write into RESULTS.md: tables, and parts between two marks that a program replaces.

A part is what lies between `<!-- written by NAME: begin -->` and the next `<!-- end -->`. Knows nothing of what is
measured.
"""

from collections.abc import Sequence
from pathlib import Path

from imlcull_al.project.files import replace_text

RESULTS = Path("benchmarks/RESULTS.md")
END = "<!-- end -->"


def write_part(path: Path, name: str, part: str) -> None:
    """Replace the part of `name` in the file, or add it at the end."""
    replace_text(path, splice(path.read_text(encoding="utf-8"), name, part))


def splice(text: str, name: str, part: str) -> str:
    """`text` with the part of `name` replaced; at the end where there was none. What is around it stays."""
    begin = f"<!-- written by {name}: begin -->"
    before, found, rest = text.partition(begin)
    if not found:
        before, rest = f"{text.rstrip()}\n\n", f"{END}\n"
    _, ended, after = rest.partition(END)
    if not ended:
        raise ValueError(f"The part of {name} has no end. Put {END} behind it.")
    return f"{before}{begin}\n\n{part.strip()}\n\n{END}{after}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; a line break or a bar inside a cell stays in its cell."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines) + "\n"
