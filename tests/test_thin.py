"""The package stays small enough to read in one sitting."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "medallion_lib"
EVERY = sorted(PACKAGE.rglob("*.py"))
# Lines of code that each folder may have, and "" those of what stands beside the folders.
BUDGET = {"": 1861, "server": 377, "source": 911, "bronze": 860, "silver": 678,
          "system_time": 1080, "gold": 492, "watch": 660, "shop": 255, "batch": 525,
          "upkeep": 346, "serve": 718, "lake": 825}  # fmt: skip
GUESTS = ("shop", "batch", "lake")
# From the ground up; what stands beside the folders uses all of them, and the guests use that.
LAYERS = ("", "server", "source", "bronze", "silver", "system_time", "gold", "watch", "medallion", "guest")
GROUND = ("errors", "instants", "mart", "progress", "sqlfile", "steps", "table", "tables")
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def _docstrings(tree: ast.Module) -> Iterator[int]:
    """The lines of every docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


def _code_lines(path: Path) -> int:
    """Lines that hold code: not blank, not comment, not docstring."""
    source = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines.difference(_docstrings(ast.parse(source))))


def _folder(path: Path) -> str:
    return (*path.relative_to(PACKAGE).parts[:-1], "")[0]


@pytest.mark.parametrize("name", sorted({_folder(path) for path in EVERY}))
def test_each_folder_keeps_to_its_budget(name: str) -> None:
    assert sum(_code_lines(path) for path in EVERY if _folder(path) == name) <= BUDGET[name]


def _layer(module: str) -> int:
    """How high a module of the package stands, by its name with dots and without the package's."""
    first, *more = module.split(".")
    if first in GUESTS:
        return LAYERS.index("guest")
    if first in LAYERS and (more or (PACKAGE / first).is_dir()):
        return LAYERS.index(first)
    return 0 if first in GROUND else LAYERS.index("medallion")


def _imported(tree: ast.Module, at_once: bool) -> set[str]:
    """The package's modules that are imported, `at_once` or anywhere, without the package's name."""
    found = set()
    unread = {each for node in tree.body if isinstance(node, ast.If) for each in ast.walk(node)}
    for node in tree.body if at_once else {*ast.walk(tree)} - unread:  # if TYPE_CHECKING
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("medallion_lib"):
            of = node.module.removeprefix("medallion_lib").strip(".")
            here = PACKAGE / of.replace(".", "/")
            for each in node.names:
                is_module = (here / each.name).is_dir() or (here / f"{each.name}.py").exists()
                found.add(f"{of}.{each.name}".strip(".") if is_module else of or "medallion")
    return found


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_layer_imports_a_higher_one(path: Path) -> None:
    """Where a method of `Medallion` is about the sample, it imports that when it is called."""
    tree, module = ast.parse(path.read_text(encoding="utf-8")), _module(path)
    if module not in ("__init__", "pgoutput"):
        is_asked_for = module in ("databases", "earlier", "medallion", "pair")
        for name in _imported(tree, at_once=is_asked_for):
            assert _layer(name) <= _layer(module), f"{module} imports {name}"


def test_no_import_goes_in_a_circle() -> None:
    """Nor one that is hidden in a function."""
    reads = {_module(path): _imported(ast.parse(path.read_text("utf-8")), at_once=False)
             for path in EVERY}  # fmt: skip
    while free := [name for name, others in reads.items() if not others & reads.keys() - {name}]:
        for name in free:
            del reads[name]
    assert not reads


def _outsiders(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_the_clause_knows_no_driver_and_only_its_hook_an_engine() -> None:
    for path in (PACKAGE / "system_time").glob("*.py"):
        assert not _outsiders(path) & {"psycopg", "psycopg2"}
        assert "sqlalchemy" not in _outsiders(path) or path.stem == "hook"


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_over_300_lines_and_no_function_over_40(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 40, node.name
