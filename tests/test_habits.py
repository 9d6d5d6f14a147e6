"""What those who carry this on are told: the commands, files and tests that are named are there."""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
import yaml

from medallion_lib.shop import TABLES
from medallion_lib.tables import Table

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
READ = (*ROOT.glob("*.md"), *ROOT.glob("book/*.md"), *ROOT.glob("data/*.md"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"\bmake ([a-z]+)\b`", path.read_text(encoding="utf-8"))
    assert set(named) <= TARGETS


def named(text: str) -> list[str]:
    return re.findall(r"`((?:tests|medallion_lib|book|data)/[\w./]*|[\w.-]+/[\w.-]+\.json)`", text)


def test_contributors_are_sent_to_files() -> None:
    assert len(named(GUIDE)) > 10


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_every_file_that_readers_are_sent_to_exists(path: Path) -> None:
    assert [each for each in named(path.read_text(encoding="utf-8")) if not (ROOT / each).exists()] == []


def test_every_declaration_that_readers_are_shown_is_one_of_a_table() -> None:
    shown = [dedent(each) for path in READ
             for each in re.findall(r"```toml\n(.+?)```", path.read_text(encoding="utf-8"), re.DOTALL)]
    inventory = next(each for each in TABLES.each if each.name == "inventory").as_json()
    declared = [facts for each in map(tomllib.loads, shown) for facts in each.get("table", [inventory | each])]
    tables = {table.name: table.history for table in map(Table.of_json, declared)}
    assert {"address": None, "inventory": "dim_inventory_hist"}.items() <= tables.items()


@pytest.mark.parametrize("name", ["MARTS", "COPIED", "HISTORY", "CURRENT", "PAGES",
                                  "test_bronze_silver_and_gold_have_nine_tables_and_three_marts",
                                  "test_a_mart_has_the_oracles_columns_in_its_order"])  # fmt: skip
def test_every_name_that_contributors_are_sent_to_exists(name: str) -> None:
    assert f"`{name}`" in GUIDE
    code = "".join(path.read_text(encoding="utf-8") for folder in ("tests", "medallion_lib", "book/made")
                   for path in ROOT.glob(f"{folder}/**/*.py") if path != Path(__file__))  # fmt: skip
    assert re.search(rf"^(def )?{name}\b", code, re.MULTILINE)


def test_the_hooks_ask_no_other_host_and_run_what_is_here() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        words = shlex.split(hook["entry"])
        assert words[0] in ("make", ".venv/bin/python")
        assert words[1] in TARGETS if words[0] == "make" else (ROOT / words[-1]).exists()


def test_the_development_container_runs_a_target() -> None:
    asked = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert asked["postCreateCommand"].removeprefix("make ") in TARGETS


def test_the_version_and_the_authors_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == project["version"]
    assert cited["authors"] == project["authors"]
    assert cited["license"] == project["license"]
    assert project["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_is_made_is_under_no_version_control() -> None:
    made = [".venv/ready", ".medallion/data", ".ask/x", ".dbt/x", ".book/x", ".results/tests.xml", "_build/html/index.html"]
    told = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True)
    if told.returncode == 128:
        pytest.skip("this is no git checkout")
    assert told.stdout.split() == made


def test_no_two_refusals_have_one_name() -> None:
    texts = (ROOT / "medallion_lib" / "refusals.txt").read_text(encoding="utf-8")
    names = re.findall(r"^\[(.+)\]$", texts, flags=re.MULTILINE)
    assert len(names) == len({*names}) > 200


def modules(tree: ast.Module) -> dict[str, ModuleType]:
    """The package's modules that a file imports, by the names that it has for nothing else."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("medallion_lib"):
            exec(ast.unparse(node), each := {})
            found |= {name: value for name, value in each.items() if isinstance(value, ModuleType)}
    names = (getattr(node, "arg", None) or getattr(node, "id", None) for node in ast.walk(tree)
             if isinstance(node, ast.arg) or isinstance(getattr(node, "ctx", None), ast.Store))  # fmt: skip
    return {name: found[name] for name in found.keys() - {*names}}


def missing(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = modules(tree)
    used = [(node.value, node.attr) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used += [(node.args[0], node.args[1].value) for node in ast.walk(tree) if isinstance(node, ast.Call)
             and getattr(node.func, "attr", "") == "setattr" and isinstance(node.args[1], ast.Constant)]  # fmt: skip
    return [f"{path.stem}: {of.id}.{name}" for of, name in used
            if isinstance(of, ast.Name) and of.id in known and not hasattr(known[of.id], name)]  # fmt: skip


def test_every_name_of_the_package_that_a_test_uses_is_there() -> None:
    """Also where the test is slow: it would only be found when that is run."""
    assert [each for path in sorted(ROOT.glob("tests/**/*.py")) for each in missing(path)] == []
