"""What a failing cell was to make is gone, so that no later cell takes an older result for it."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
           ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # fmt: skip
# What code that can't be parsed was to assign, and what a magic that fails early names before <<.
_ASSIGNED = re.compile(r"^([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*(?::[^=\n]*)?=(?!=)", re.MULTILINE)
_NAMED = re.compile(r"\s*%%?\w+(?:[^\S\n]+(?!(?i:select)\b)\S+)*?\s+([^\W\d]\w*)\s*=?\s*<<")

gone: set[str] = set()


def watch(shell: InteractiveShell) -> None:
    """From now on, a cell of `shell` that fails takes the names it assigns with it."""
    gone.clear()
    if not any(
        getattr(each, "func", None) is _after for each in shell.events.callbacks["post_run_cell"]
    ):
        shell.events.register("post_run_cell", partial(_after, shell))


def forget(names: dict[str, Any], made: Iterable[str]) -> None:
    for name in made:
        names.pop(name, None)
        gone.add(name)


def missing(name: str) -> str:
    """What to tell a person who asks for a name that is gone."""
    return f"There is no {name}: the cell that makes it failed. Run that cell again, then this one."


def _after(shell: InteractiveShell, result: ExecutionResult) -> None:
    if not result.success:
        forget(shell.user_ns, made(shell, result.info.raw_cell))


def made(shell: InteractiveShell, cell: str) -> set[str]:
    """The variables a cell assigns, but for those it reads first: they hold no result of it."""
    try:
        body = ast.parse(shell.transform_cell(cell)).body
    except SyntaxError:
        return {name.strip() for names in _ASSIGNED.findall(cell) for name in names.split(",")}
    if named := _NAMED.match(cell):
        return {named[1]}
    stored: set[str] = set()
    read: set[str] = set()
    for statement in body:
        names = list(_names(ast.Module([statement], [])))
        read |= {name for name, stores in names if not stores} - stored
        stored |= {name for name, stores in names if stores}
    return stored - read


def _names(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """The names in a piece of code, each with whether it is assigned; x += 1 reads x too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _SCOPES):
            inner = (each for each in ast.walk(child) if isinstance(each, ast.Name))
            yield from ((each.id, False) for each in inner if isinstance(each.ctx, ast.Load))
        elif isinstance(child, ast.Name):
            yield child.id, isinstance(child.ctx, ast.Store) and not isinstance(node, ast.AugAssign)
        else:
            yield from _names(child)
