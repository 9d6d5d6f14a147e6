"""What the book's pages include: all of it is there, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Formatter

import nbformat
import pytest
from made import costs, dictionary, folders, kept, missed, proofs, refusals, status, tables
from year import COPIED, CURRENT, HISTORY, MARTS, as_owner, ask, own_lab

from medallion_lib import Medallion, sqlfile
from medallion_lib.errors import TEXTS

LAYERS = "('bronze', 'silver', 'gold', 'meta')"


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    with own_lab("pages") as lab:
        lab.reset(year=True)
        yield lab


# The data dictionary


@pytest.fixture(scope="module")
def words(year: Medallion) -> str:
    return dictionary.page(year, Path())


def test_the_dictionary_tells_every_column_with_its_type_and_meaning(
    year: Medallion, words: str
) -> None:
    """Asked in another way than the page asks; a partition's columns are its table's."""
    with year.warehouse.connect() as warehouse:
        columns = warehouse.exec_driver_sql(f"""
            SELECT table_schema, table_name, column_name,
                   col_description((table_schema || '.' || table_name)::regclass, ordinal_position)
            FROM information_schema.columns WHERE table_schema IN {LAYERS}
              AND table_name !~ '_(2023_[0-9]{{2}}|default)$'""").all()
    assert len({column[:2] for column in columns}) >= 9 + 3 + 6 + 1
    for layer, table, column, meaning in columns:
        told = words.split(f"({dictionary.anchor(layer, table)})=\n### {table}\n")[1]
        row = next(line for line in told.splitlines() if line.startswith(f"| `{column}` *"))
        assert row.endswith(f"* | {meaning} |"), f"{table}.{column}"


def test_a_view_shares_the_columns_of_its_table_but_for_those_it_lacks(words: str) -> None:
    of_customers = words.split("### dim_customer\n")[1].split("### dim_date")[0]
    assert of_customers.count("| `email` *") == 1
    assert "but `dim_customer` has no `sys_end` and `sys_period`:" in of_customers
    of_rentals = words.split("### fact_rental\n")[1].split("## Gold")[0]
    assert of_rentals.count("| `return_date` *") == 1
    assert "but `fact_rental_current` has no `sys_end`:" in of_rentals


def test_the_picture_has_every_table_its_key_and_what_it_is_made_from(year: Medallion) -> None:
    boxes = {box.name: box for box in tables.boxes(year)}
    layers = [box.layer for box in boxes.values()]
    there = [len(COPIED), len(COPIED), len(HISTORY), len(MARTS)]
    assert [layers.count(name) for name in ("source", "bronze", "silver", "gold")] == there
    assert boxes["payment"].key == ["payment_date", "payment_id"]
    assert boxes["fact_rental"].key == ["rental_id", "rental_date"]
    assert boxes["fact_rental"].made_from == ["br_inventory_cdc", "br_rental_cdc"]
    assert boxes["fact_rental"].joins == {
        "customer_id": "dim_customer_hist", "film_id": "dim_film_hist"
    }  # fmt: skip
    assert boxes["fact_payment"].made_from == [
        "br_inventory_cdc", "br_payment_cdc", "br_rental_cdc"
    ]  # fmt: skip
    assert boxes["vw_monthly_revenue"].made_from == ["fact_payment"]
    page = tables.page(year, Path())
    assert all(f">{name}<" in page for name in boxes)
    assert escape(tables.ALT) in page


def test_every_function_and_procedure_says_what_it_is(year: Medallion) -> None:
    with as_owner(year) as warehouse:
        silent = ask(warehouse, f"""
            SELECT oid::regprocedure::text FROM pg_proc
            WHERE pronamespace::regnamespace::text IN {LAYERS}
              AND obj_description(oid, 'pg_proc') IS NULL""")
    assert silent == []


def test_the_dictionary_says_what_takes_an_instant(year: Medallion, words: str) -> None:
    about = words.split("### dim_film_hist\n")[1].split("|")[0]  # up to its columns
    assert "FOR SYSTEM_TIME AS OF" in about
    assert "FOR SYSTEM_TIME" not in words.split("### watermark\n")[1]


# The folders of the package


def test_the_page_has_each_folder_of_the_package_and_no_other(year: Medallion) -> None:
    here = {path.parent.relative_to(sqlfile.DIRECTORY).as_posix()
            for path in sqlfile.DIRECTORY.rglob("*/__init__.py")} - {"."}  # fmt: skip
    shown = [line.split("`")[1] for line in folders.page(year, Path()).splitlines()]
    assert sorted(shown) == sorted(f"{name}/" for name in here)


def test_a_folder_imports_only_from_those_above_it() -> None:
    for place, name in enumerate(folders.ORDER):
        assert set(folders.imports(name)) <= set(folders.ORDER[:place]), name
    assert folders.imports("bronze")["source"] > 1


def test_the_drawing_has_each_folder_and_what_it_imports(year: Medallion) -> None:
    drawn = folders.figure(year, Path())
    assert all(f">{name}<" in drawn for name in folders.ORDER)
    counted = {name: ", ".join(f"{other} {times}" for other, times in folders.imports(name).items())
               for name in folders.ORDER}  # fmt: skip
    assert all(f"{name} from {said}" in drawn for name, said in counted.items() if said)
    assert "shop/star from " in drawn and "server from " not in drawn


# What the year takes to keep


def test_what_is_kept_is_counted_table_by_table(year: Medallion) -> None:
    counts = year.status(exact=True)["rows"]
    of_layer = {layer: sum(rows for name, rows in counts.items() if name.startswith(f"{layer}."))
                for layer in ("bronze", "silver")}  # fmt: skip
    source, bronze, silver = kept.page(year, Path()).splitlines()[2:]
    assert f"| {of_layer['bronze']:,} changes |" in bronze
    assert f"| {of_layer['silver']:,}, of which " in silver
    with as_owner(year) as warehouse:
        ((current,),) = ask(warehouse, "SELECT sum(n) FROM (" + " UNION ALL ".join(
            f"SELECT count(*) AS n FROM silver.{view}" for view in CURRENT) + ") AS each")
    assert f", of which {current:,} are current |" in silver
    with year.source.connect() as shop:
        sizes = [shop.exec_driver_sql(
            "SELECT count(*), (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND "
            f"relname ~ '^{table}(_p[0-9]+_[0-9]+|_default)?$') FROM {table}").one() for table in COPIED]  # fmt: skip
    rows, held = map(sum, zip(*sizes, strict=True))
    assert f"| {rows:,} rows | {held / 1_000_000:.1f} MB |" in source


def test_what_files_miss_is_what_a_year_of_them_missed(year: Medallion) -> None:
    """make prove loads all of those nights: tests/bronze/test_two_feeds.py has the same numbers from them."""
    told = " ".join(missed.page(year, Path()).split())
    versions = "65 of 5,596 for customers, 0 of 1,484 for films, 0 of 31,077 for rentals, 0 of 16,780 for payments."
    assert f"versions of the year: {versions} At noon" in told
    assert "by $78.21 on average, and by up to $186.54." in told
    assert round(28468.43 / 364, 2) == 78.21


# What it costs


def test_each_cost_is_told_once_and_compared_by_its_ratio(year: Medallion) -> None:
    for each in costs.MEASURED["alone"]:
        assert f"| {each['what']} | {each['took']} |" in costs.page(year, Path())
    found = {(row.what, row.beside): round(row.ratio, 2) for row in costs.ratios().itertuples()}
    assert len(found) == sum(len(each["beside"]) for each in costs.MEASURED["compared"])
    for each in costs.MEASURED["compared"]:
        for beside, figure in each["beside"].items():
            times = each["here"] / figure if each["unit"] == "changes/s" else figure / each["here"]
            assert found[each["what"], beside] == round(times, 2)
    assert all(f"{row.ratio:.2g} times {row.beside}" in costs.figure(year, Path())
               for row in costs.ratios().itertuples())  # fmt: skip


def test_the_page_takes_the_last_benchs_figures_where_there_are_some(tmp_path: Path) -> None:
    kept = costs.measured(tmp_path / "bench.json")
    assert kept["compared"][0]["here"] == 62_400, "those of costs.json"
    (tmp_path / "bench.json").write_text(json.dumps(kept | {"machine": "another"}))
    assert costs.measured(tmp_path / "bench.json") == kept | {"machine": "another"}


# The execution status


def executed(folder: Path, name: str, *seconds: int, error: bool = False) -> None:
    """A notebook as nbmake leaves it; with an error, the last cell's."""
    notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python", "version": "3.12.1"}})
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# The {name}\n\nProse.")]
    for took in seconds:
        times = {"iopub.status.busy": "2026-01-01T10:00:00.5Z",
                 "iopub.status.idle": f"2026-01-01T10:00:0{took}.5Z"}  # fmt: skip
        notebook.cells += [nbformat.v4.new_code_cell("1", metadata={"execution": times})]
    if error:
        notebook.cells[-1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    nbformat.write(notebook, folder / f"{name}.ipynb")


def test_the_status_adds_up_what_the_cells_took(year: Medallion, tmp_path: Path) -> None:
    (tmp_path / "copy" / "notebooks").mkdir(parents=True)
    executed(tmp_path / "copy" / "notebooks", "good", 1, 4, 2)
    executed(tmp_path / "copy" / "notebooks", "bad", 1, 3, error=True)
    told = status.page(year, tmp_path / "copy").replace("\N{NO-BREAK SPACE}", " ")
    assert "| [The good](../notebooks/good.ipynb) | passed, 3 of 3 | 7.0 s | 4.0 s, cell 2 |" in told
    assert "| [The bad](../notebooks/bad.ipynb) | failed, 1 of 2 | 1.0 s | 1.0 s, cell 1 |" in told
    assert "4 cells of 2 notebooks" in told and "took 8.0 s" in told
    assert "| Python | 3.12.1 |" in told and "| the book itself |" not in told


# Troubleshooting


def test_every_refusal_is_told_whole_under_an_anchor_of_its_own(year: Medallion) -> None:
    told = refusals.page(year, Path())
    for name, text in TEXTS.items():
        place = told.split(f"\n({refusals.anchor(name)})=\n")
        assert len(place) == 2, name
        message = place[1].split(":class: refusal")[1].split("```")[0]
        for said, _, _, _ in Formatter().parse(text):
            assert said in message, name
        assert "{" not in message, name


def test_the_page_groups_refusals_in_the_order_of_the_file() -> None:
    assert [name for name in TEXTS if name in refusals.GROUPS] == list(refusals.GROUPS)
    assert next(iter(TEXTS)) in refusals.GROUPS


def test_a_fact_is_shown_by_its_name() -> None:
    assert refusals.shown("{name!r} at {at:%H:%M} of {size:,}") == "<name> at <at> of <size>"


# The proofs

REPORT = """<testsuites><testsuite timestamp="2026-01-01T12:00:00.5+02:00" time="100.4">
<testcase classname="tests.shop.test_year" name="a" time="1.5"><properties><property name="rows" value="1200"/>
    <property name="note" value="x"/></properties></testcase>
<testcase classname="tests.shop.test_year" name="b" time="2"><properties><property name="rows" value="34"/></properties></testcase>
<testcase classname="tests.bronze.test_faults" name="c" time="3"><failure message="no"/></testcase>
<testcase classname="tests.test_thin" name="d" time="4"><skipped message="there is no such thing"/></testcase>
</testsuite></testsuites>"""


def test_the_proofs_add_up_what_the_tests_recorded(year: Medallion, tmp_path: Path) -> None:
    (tmp_path / ".results").mkdir()
    (tmp_path / proofs.REPORT).write_text(REPORT)
    told = proofs.page(year, tmp_path / "copy")
    assert "4 tests: 2 passed, 1 failed, 1 skipped." in told
    assert "1 January 2026 at 10:00\nUTC and took 100 s." in told
    assert "(`shop/test_year`) | 2 passed: 1,234 rows |" in told
    assert "(`bronze/test_faults`) | 1 failed |" in told
    assert f"| {proofs.REST} | 1 skipped |" in told
    assert "- 1: there is no such thing" in told
    assert "test_merge" not in told, "it did not run"


def test_without_a_run_of_the_tests_the_page_says_so(year: Medallion, tmp_path: Path) -> None:
    told = proofs.page(year, tmp_path / "copy")
    assert "without a run of the tests" in told and "make test" in told
    for name in proofs.PROOFS:
        assert f"`tests/{name}.py`" in told


def test_every_proof_is_there() -> None:
    here = {f"{path.parent.name}/{path.stem}" for path in Path(__file__).parents[1].glob("*/test_*.py")}
    elsewhere = {name for name in here if name.partition("/")[0] in ("book", "browser", "stage")}
    assert set(proofs.PROOFS) == here - elsewhere


@pytest.mark.parametrize("name", proofs.PROOFS)
def test_a_proof_reads_as_a_row_of_a_table(name: str) -> None:
    assert 20 < len(proofs.PROOFS[name]) < 100
    assert "|" not in proofs.PROOFS[name] and not proofs.PROOFS[name].endswith(".")
