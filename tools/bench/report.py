"""What the measurements say: tables, and where they go in docs/performance.md."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools.bench.contestants import interpreter
from tools.bench.processes import has

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "performance"
PAGE = FOLDER.with_suffix(".md")


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, and rows of text; it prints as GitHub's Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Return it with its columns aligned, the first to the left."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        text = "\n".join(f"| {' | '.join(_padded(line, widths))} |" for line in (self.columns, rule, *self.rows))
        return f"**{self.title}**\n\n{text}"


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def ratio(value: float, base: float) -> str:
    """Return a ratio as text."""
    return f"{value / base:.2f}"


def write(section: str, tables: Sequence[Table]) -> None:
    """Put tables between the markers of a section of docs/performance.md, and what they were measured on."""
    content = "\n\n".join([*map(str, tables), f"<sub>{_circumstances()}</sub>"])
    text, found = re.subn(
        rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)",
        lambda match: f"{match[1]}\n{content}\n\n{match[2]}",
        PAGE.read_text(),
        flags=re.DOTALL,
    )
    assert found == 1, f"{PAGE} has no place for {section}"
    PAGE.write_text(text)


def _circumstances() -> str:
    code = "import platform, ssl; print(f'Python {platform.python_version()}, {ssl.OPENSSL_VERSION}')"
    python = subprocess.run(
        [interpreter(), "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    tools = ", ".join(filter(None, (python, _valgrind())))
    kernel = ".".join(platform.release().split(".")[:2])
    system = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {kernel}"
    processor = f"{_processor()}, {os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d}, `make bench`: {processor}; {system}; {tools}."


def _processor() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match is not None else platform.machine()


def _valgrind() -> str | None:
    if not has("valgrind"):
        return None
    return subprocess.run(["valgrind", "--version"], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607
