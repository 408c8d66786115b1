"""Reads the pages of the documentation: their sections, tables and code."""

import re


def section(text: str, heading: str) -> str:
    """Return what is below a heading, with the headings below it."""
    (level,) = re.findall(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    pattern = rf"^{level} {re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)"
    (found,) = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return str(found)


def code(text: str, language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(text: str) -> list[list[str]]:
    """Return the cells of the one table, without its heading."""
    (lines,) = re.findall(r"^\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
