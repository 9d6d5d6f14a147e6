"""The package's folders in the order of the data: what each says of itself, and what it imports."""

import ast
from collections import Counter
from pathlib import Path

from medallion_lib import Medallion, sqlfile

# From the ground up; the guests, which the core does without, last.
ORDER = (
    "server", "source", "bronze", "silver", "system_time", "gold", "shop", "shop/star", "batch",
)  # fmt: skip


def page(_lab: Medallion, _copy: Path) -> str:
    return "".join(map(_line, ORDER))


def imports(folder: str) -> Counter[str]:
    """How often the folder's own files import from each other folder."""
    nodes = (node for path in _place(folder).glob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))  # fmt: skip
    found: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found.update({_folder_of(f"{node.module}.{each.name}.") for each in node.names})
    return Counter({name: found[name] for name in ORDER if found[name] and name != folder})


def _line(folder: str) -> str:
    tree = ast.parse((_place(folder) / "__init__.py").read_text(encoding="utf-8"))
    prose = (ast.get_docstring(tree) or "").partition("\n\n    ")[0]  # up to an example
    used = ", ".join(f"`{name}` {times}" for name, times in imports(folder).items())
    said = f" Imports: {used}." if used else ""
    return f"- **`{folder}/`** {' '.join(prose.split())}{said}\n"


def _place(folder: str) -> Path:
    return sqlfile.DIRECTORY / folder


def _folder_of(module: str) -> str:
    """The deepest folder that a module, with a dot at its end, is in; empty for none."""
    inside = (name for name in reversed(ORDER)
              if module.startswith(f"medallion_lib.{name.replace('/', '.')}."))  # fmt: skip
    return next(inside, "")
