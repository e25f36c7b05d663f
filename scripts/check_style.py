"""Report how long functions and files are, how much is tested and what lacks a docstring; fail on what is too long.

Usage: ``python scripts/check_style.py [REPOSITORY]``. ``make check`` runs it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "napari_kidney_seg"
LONGEST_BODY = 50  # lines without the docstring
LONGEST_FILE = 300  # lines
MEDIAN_BODY, NINE_IN_TEN_BODIES = 8, 30  # lines; what to aim for
TEST_RATIO = 0.6  # test lines per source line; what to aim for

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function or method: where it stands, how many lines its body has, and whether it lacks a docstring it needs."""

    place: str
    name: str
    lines: int
    is_undocumented: bool


def main() -> None:
    """Print the report and exit with 1 when a function or a file is too long."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    sources = python_files(root / PACKAGE)
    lengths = {path: count_lines(path) for path in sources + python_files(root / "scripts", root / "benchmarks")}
    functions = [function for path in lengths for function in find_functions(path, root)]

    report_bodies(sorted(function.lines for function in functions))
    report_ratio(sum(lengths[path] for path in sources), sum(map(count_lines, python_files(root / "tests"))))
    undocumented = [f"{f.place} {f.name}" for f in functions if f.is_undocumented]
    report_places("public functions and methods without a docstring", undocumented)

    long_bodies = [f"{f.place} {f.name}: {f.lines} lines" for f in functions if f.lines > LONGEST_BODY]
    long_files = [f"{path}: {n} lines" for path, n in lengths.items() if n > LONGEST_FILE]
    report_places(f"bodies over {LONGEST_BODY} lines", long_bodies)
    report_places(f"files over {LONGEST_FILE} lines", long_files)
    sys.exit(bool(long_bodies or long_files))


def python_files(*folders: Path) -> list[Path]:
    """Return the Python files below `folders`, sorted."""
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def count_lines(path: Path) -> int:
    """Return how many lines the file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def find_functions(path: Path, root: Path) -> Iterator[Function]:
    """Yield every function in the file, methods and nested ones included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exempt = {id(child) for node in ast.walk(tree) for child in nodes_without_need_of_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            yield Function(
                place=f"{path.relative_to(root)}:{node.lineno}",
                name=node.name,
                lines=count_body_lines(node),
                is_undocumented=id(node) not in exempt and ast.get_docstring(node) is None,
            )


def nodes_without_need_of_docstring(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what needs no docstring because of `node`: all in a private or magic name, and all inside a function."""
    if not isinstance(node, FunctionNode | ast.ClassDef):
        return
    for child in ast.walk(node):
        if node.name.startswith("_") or (isinstance(node, FunctionNode) and child is not node):
            yield child


def count_body_lines(node: FunctionNode) -> int:
    """Return the lines of a function's body, without signature and docstring."""
    statements = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not statements:
        return 0
    return (node.end_lineno or node.lineno) - statements[0].lineno + 1


def report_bodies(lines: list[int]) -> None:
    """Print median, ninth decile and maximum of sorted body lengths."""
    median, ninth = lines[len(lines) // 2], lines[len(lines) * 9 // 10]
    print(f"{len(lines)} function bodies: median {median} lines (aim {MEDIAN_BODY}), ", end="")
    print(f"90 % within {ninth} (aim {NINE_IN_TEN_BODIES}), longest {lines[-1]} (limit {LONGEST_BODY})")


def report_ratio(source_lines: int, test_lines: int) -> None:
    """Print how many lines of tests there are per line of the package."""
    ratio = test_lines / max(1, source_lines)
    print(f"{source_lines} lines of source, {test_lines} of tests: {ratio:.2f} per source line (aim {TEST_RATIO})")


def report_places(title: str, places: list[str]) -> None:
    """Print a count and the places it counts."""
    print(f"{len(places)} {title}")
    for place in places:
        print(f"    {place}")


if __name__ == "__main__":
    main()
