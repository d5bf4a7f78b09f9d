"""Changes in a source text that leave every line where it is."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

# Line, first and last column (in bytes, from 0), and what stands there instead.
Edit = tuple[int, int, int, str]
Program = dict[Path, str]
# The end of a line.
END = 1 << 20


def applied(text: str, edits: Iterable[Edit]) -> str:
    """`text` with its edits, none of which overlap."""
    lines = text.encode().split(b"\n")
    # From the end, so that what comes first keeps its place.
    for line, start, end, new in sorted(set(edits), reverse=True):
        old = lines[line - 1]
        lines[line - 1] = old[:start] + new.encode() + old[end:]
    return b"\n".join(lines).decode()


def instead(node: ast.expr | ast.alias, new: str) -> Edit:
    """`new` in the place of a node, which is on one line."""
    assert node.end_col_offset is not None and node.lineno == node.end_lineno
    return node.lineno, node.col_offset, node.end_col_offset, new


def replaced(statement: ast.stmt, new: str) -> Iterator[Edit]:
    """`new`, on one line, in the place of a statement; its other lines become empty."""
    assert statement.end_lineno is not None and statement.end_col_offset is not None
    for line in range(statement.lineno, statement.end_lineno + 1):
        first, last = line == statement.lineno, line == statement.end_lineno
        start = statement.col_offset if first else 0
        yield line, start, statement.end_col_offset if last else END, new if first else ""


def module_name(path: Path) -> str:
    """The name under which a file of the device is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
