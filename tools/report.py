"""Output that all tools share: progress on standard error, tables, and generated sections of the docs."""

import math
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def progress(text: str) -> None:
    """Report on standard error what the program does now."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Table:
    """A table of text that prints as GitHub's Markdown. Columns are right-aligned unless in ``text_columns``."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: Collection[int] = (0,)

    def __str__(self) -> str:
        """Return the title, if there is one, and the aligned table."""
        widths = [max(2, *map(len, cells)) for cells in zip(self.columns, *self.rows, strict=True)]
        rule = [
            "-" * width if index in self.text_columns else f"{'-' * (width - 1)}:" for index, width in enumerate(widths)
        ]
        lines = [self._line(row, widths) for row in (self.columns, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines] if self.title else lines)

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = (
            cell.ljust(width) if index in self.text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"


def number(value: float, digits: int = 0) -> str:
    """Return a number as text; a dash for NaN, which means that it was not measured."""
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def ratio(value: float, base: float) -> str:
    """Return a ratio as text, such as ``0.78``; a dash if one of the two was not measured."""
    return number(value / base, 2)


def write_section(page: Path, name: str, content: str) -> None:
    """Replace what is between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in a Markdown file."""
    text, found = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
        lambda match: f"{match[1]}\n{content}\n\n{match[2]}",
        page.read_text("utf-8"),
        flags=re.DOTALL,
    )
    assert found == 1, f"{page} must have one section {name}"
    page.write_text(text, "utf-8")
