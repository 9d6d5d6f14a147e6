"""A `%%sql` cell's text reaches the server as written, and its values show what PostgreSQL shows."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from IPython.core.interactiveshell import InteractiveShell
from sqlalchemy import URL, create_engine
from traitlets.config import Config

import cells

Run = Callable[[str], Any]


@pytest.fixture(scope="module")
def engine(spare_url: URL) -> Iterator[Any]:
    engine = create_engine(spare_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS hstore")
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('sad', 'so ''so''')")
        connection.exec_driver_sql("CREATE TYPE pair AS (at timestamptz, named text)")
        connection.commit()
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TYPE mood; DROP TYPE pair; DROP EXTENSION hstore")
    engine.dispose()


@pytest.fixture(scope="module")
def run(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a cell as a notebook does, in which the variable `day` is a date."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        cells.start(SimpleNamespace(warehouse=engine))
        shell.push({"day": "2023-07-01", "mart": "pg_class"})

        def run(cell: str) -> Any:
            ran = shell.run_cell(cell)
            ran.raise_error()
            return ran.result

        run.names = shell.user_ns
        run.cell = shell.run_cell
        yield run
        InteractiveShell.clear_instance()


def drawn(table: str) -> list[str]:
    """The cells of an HTML table, as a reader sees them."""
    return [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)]


def in_table(result: Any) -> list[str]:
    return drawn(cells._table(list(result.keys), list(result), 0))


# --- Values ------------------------------------------------------------------------------------

VALUES = """
timestamptz '0044-03-15 BC' | timestamptz '12023-01-01' | timestamptz '-infinity' | timestamptz 'infinity'
timestamp '0044-03-15 BC' | timestamp '294276-12-31 23:59:59.999999' | timestamp 'infinity'
timestamptz '9999-12-31 23:59:59.999999' | timestamp '9999-12-31 23:59:59.999999' | timestamp '-infinity'
date '0044-03-15 BC' | date '12023-01-01' | date '-infinity' | date 'infinity' | date '9999-12-31' | date '0001-01-01'
interval '1 mon' | interval '30 days' | interval '1 year 2 mons -3 days' | interval 'infinity' | interval '-infinity'
interval '24:00' | interval '1 day' | interval '-1 day' | interval '-25:00:00.5' | interval '1 day -01:00' | interval '0'
interval '1 day 02:03:04' | interval '-1 day -02:03:04.000001' | interval '178000000 years'
time '24:00' | time '00:00' | time '23:59:59.999999' | timetz '24:00+02' | timetz '12:00:00.5-03:30'
'\\x00ff'::bytea | ''::bytea | ARRAY['\\x00ff'::bytea, '\\x', NULL] | 'a'::"char"
'NaN'::numeric | 'Infinity'::numeric | '-Infinity'::numeric | 0.00000001 | 1e30::numeric | 1.10 | 0.0000000000
'NaN'::float8 | 'Infinity'::float8 | '-Infinity'::float4 | 5::float8 | 1e15::float8 | 1e6::float4 | '-0'::float8
ARRAY[timestamptz '0044-03-15 BC', '-infinity', NULL] | ARRAY[date 'infinity', '9999-12-31', '2023-07-01']
ARRAY[interval '1 mon', '1 day'] | ARRAY['NaN'::numeric, 1.10] | ARRAY[time '24:00'] | ARRAY[ARRAY[1, 2], ARRAY[3, NULL]]
'[0:1]={1,2}'::int[] | ARRAY['a "b"', 'NULL', NULL, 'c,d'] | '{}'::text[] | ARRAY[true, NULL] | ARRAY['192.168.0.1'::inet, '::1'] | ARRAY[5::float8]
ARRAY['sad', 'so ''so''']::mood[] | 'so ''so'''::mood | ARRAY['192.168.0.1/24'::inet]
daterange('0044-03-15 BC', 'infinity') | tstzrange('2023-07-01', NULL) | int4range(1, 5) | numrange(1.10, 'NaN')
'{[0044-03-15 BC,2023-07-01),[9999-12-31,infinity)}'::datemultirange | ARRAY[int4range(1, 5)] | 'empty'::tsrange
ROW(timestamptz '0044-03-15 BC', 'a b')::pair | ARRAY[ROW('infinity', NULL)::pair] | ROW(1, NULL, '')
'{"a":1,  "a": 1.10}'::json | '{"b": {"c": 1.10}, "a": null}'::jsonb | 'null'::jsonb | '"x"'::jsonb | '1.10'::jsonb
'[1, "a", null]'::jsonb | ARRAY['{"a": 1.0}'::jsonb] | '1e400'::jsonb | '"null"'::json | '123'::jsonb
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid | '10.0.0.1'::inet | '::1'::cidr | '08:00:2b:01:02:03'::macaddr
B'0101' | 12.34::money | 'a=>1, b=>NULL'::hstore | ARRAY['a=>1'::hstore] | point(1, 2.50)
'a:1A'::tsvector | '0/16B3748'::pg_lsn | 'pg_class'::regclass | ''::text | 'infinity'::text | 'null'::text
"""
EXPRESSIONS = [
    each.strip() for line in VALUES.split("\n") for each in line.split(" | ") if each.strip()
]


@pytest.fixture(scope="module")
def as_text(engine: Any) -> dict[str, str]:
    """What PostgreSQL shows of each; a cell writes booleans out."""
    with engine.connect() as connection:
        return {
            each: connection.exec_driver_sql(f"SELECT format('%%s', {each})").scalar_one()
            for each in EXPRESSIONS
        }


ROW = ", ".join(f"{each} AS v{n}" for n, each in enumerate(EXPRESSIONS))


def test_a_cell_shows_what_postgresql_shows(run: Run, as_text: dict[str, str]) -> None:
    assert dict(zip(EXPRESSIONS, in_table(run(f"%%sql\nSELECT {ROW}")), strict=True)) == as_text


IN_FRAMES = {"5::float8": "5.0", "1e15::float8": "1000000000000000.0", "1e6::float4": "1000000.0",
             "'-0'::float8": "-0.0", "'\"x\"'::jsonb": "x", "'\"null\"'::json": "null",
             "'1e400'::jsonb": str(10**400), "'1.10'::jsonb": "1.1"}  # fmt: skip
# And what read_sql makes of a numeric is a float.
READ_SQL = {"0.00000001": "1e-08", "1.10": "1.1", "0.0000000000": "0.0", "1e30::numeric": "1e+30"}


@pytest.mark.parametrize("null", [False, True], ids=["alone", "beside_a_null"])
def test_a_frame_shows_what_postgresql_shows(
    run: Run, engine: Any, as_text: dict[str, str], null: bool
) -> None:
    """But for a column of floats or of JSON's strings, which pandas makes its own."""
    query = f"SELECT {ROW}" + f" UNION ALL SELECT {', '.join(['NULL'] * len(EXPRESSIONS))}" * null
    run(f"%%sql kept <<\n{query}")
    for frame, known in (
        (run.names["kept"].DataFrame(), {}),
        (pd.read_sql(query, engine), READ_SQL),
    ):
        values, *nulls = (drawn(cells._frame(frame.iloc[[row]])) for row in range(1 + null))
        wanted = (
            as_text | IN_FRAMES | known | {"'123'::jsonb": "123.0"}
            if null
            else as_text | IN_FRAMES | known
        )
        assert {e: v for e, v in zip(EXPRESSIONS, values, strict=True) if v != wanted[e]} == {}
        assert all(each == ["null"] * len(EXPRESSIONS) for each in nulls)


# As PostgreSQL shows them, less the zone that all have and the fractions that tell none apart.
INSTANTS = [
    ("timestamptz '2023-07-01'", "2023-07-01 00:00:00"),
    ("timestamptz '0001-01-01'", "0001-01-01 00:00:00"),
    ("timestamptz '2023-07-09 08:15:00.999999'", "2023-07-09 08:15:00"),
    ("timestamptz '2023-07-09 10:15:00.25+02'", "2023-07-09 08:15:00"),
    ("timestamp '2023-07-09 08:15:00.25'", "2023-07-09 08:15:00.25"),
]


@pytest.mark.parametrize(("expression", "wanted"), INSTANTS, ids=lambda each: each)
def test_an_instant_is_shown_to_the_second(
    run: Run, engine: Any, expression: str, wanted: str
) -> None:
    query = f"SELECT {expression} AS at, NULL AS none UNION ALL SELECT NULL, NULL ORDER BY at"
    run(f"%%sql kept <<\n{query}")
    assert in_table(run.names["kept"]) == [wanted, "null", "null", "null"]
    for frame in (run.names["kept"].DataFrame(), pd.read_sql(query, engine)):
        assert drawn(cells._frame(frame)) == [wanted, "null", "null", "null"]


@pytest.mark.parametrize(("written", "wanted"), [
    (["08:15:00.25", "08:15:01"], ["08:15:00", "08:15:01"]),
    (["08:15:00.25", "08:15:00.25"], ["08:15:00", "08:15:00"]),
    (["08:15:00.25", "08:15:00", "08:15:01.5"], ["08:15:00", "08:15:00.25", "08:15:01.5"]),
    (["08:15:00.000001", "08:15:00.000002"], ["08:15:00.000001", "08:15:00.000002"]),
])  # fmt: skip
def test_instants_that_differ_never_look_alike(
    run: Run, engine: Any, written: list[str], wanted: list[str]
) -> None:
    rows = ", ".join(f"(timestamptz '2023-07-09 {time}', DATE 'infinity')" for time in written)
    query = f"SELECT * FROM (VALUES {rows}) AS known (at, until) ORDER BY at"
    all_drawn = [text for time in wanted for text in (f"2023-07-09 {time}", "infinity")]
    run(f"%%sql kept <<\n{query}")
    assert in_table(run.names["kept"]) == all_drawn
    assert drawn(cells._frame(run.names["kept"].DataFrame())) == all_drawn


# --- Texts -------------------------------------------------------------------------------------

# Each is one value that the server gives back as it was sent, or a statement about it.
TEXTS = [
    '{"a":1}',
    '{"a": {"b":true}}',
    "{{1,2},{3,4}}",
    "{{nobody}}",
    "{% if day %}",
    "{# no #}",
    "{day}",
    "$day",
    ":day",
    "at :day.",
    "':day'",
    "12:30:45",
    "::text",
    "a::b",
    ":nobody",
    "100%",
    "%s",
    "%(day)s",
    "%%",
    "a << b",
    "x = <<",
    "-- no comment",
    "--save",
    "--alias x",
    "/* none */",
    "a; b",
    ";",
    "me@host",
    "http://host/?a=1&b=2",
    "[2:3]",
    "[:day]",
    "C:\\:day",
    "\\",
    "\\:day",
    "it''s",
    "''",
    "a\nb",
    "\ta",
    "\u00e9\u540d",
    "begin",
    "\\d",
    "$$",
    "$tag$",
    '"q"',
    "  two  spaces  ",
    "E'",
    "/*",
    "*/",
    "''; DROP TABLE x; --",
    "?",
    "!ls",
    "%ls",
]


def quoted(text: str) -> list[str]:
    """The ways to write the text `text` in SQL."""
    doubled, escaped = text.replace("'", "''"), text.replace("\\", "\\\\").replace("'", "\\'")
    tags = [tag for tag in ("$$", "$q$", "$day$") if (text + tag).index(tag) == len(text)]
    return [f"'{doubled}'", f"E'{escaped}'", *(f"{tag}{text}{tag}" for tag in tags)]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.sampled_from(TEXTS)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8),
        max_size=4,
    )
)
def test_what_is_quoted_reaches_the_server_as_written(run: Run, pieces: list[str]) -> None:
    text = "".join(pieces)
    ways, name = quoted(text), (text.replace('"', '""') or "x")
    comment = f"/* {text.replace('*/', '').replace('/*', '')} */"
    row = run(
        f'%%sql kept = <<\nSELECT {", ".join(ways)}, :day {comment} AS "{name}" -- {text.splitlines()}'
    )[0]
    assert [*row] == [text] * len(ways) + ["2023-07-01"]


@pytest.mark.parametrize(("cell", "wanted"), [
    ("%%sql\nSELECT 1 << 2", [(4,)]),
    ("%sql SELECT 5 -3", [(2,)]),
    ("%%sql\nVALUES (5 -3)", [(2,)]),
    ("%sql kept = << VALUES (5 -3), (- 1)", [(2,), (-1,)]),
    ("%%sql kept=<<\nSELECT 'a << b'", [("a << b",)]),
    ("%sql SELECT $$ --x $$ -- y", [(" --x ",)]),
    ("%%sql warehouse\nSELECT 1 -- warehouse", [(1,)]),
    ("%%sql warehouse kept = <<\nSELECT :day", [("2023-07-01",)]),
    ("%%sql\nSELECT (ARRAY[1,2,3])[2:3], (ARRAY[1,2,3])[:2], (ARRAY[1])[1:]", [([2, 3], [1, 2], [1])]),
    ("%%sql\nSELECT :day::date::text, 5 % 3, CAST(:day AS text)", [("2023-07-01", 2, "2023-07-01")]),
    ("%%sql\nSELECT count(*) > 0, '{{ day }}', '{{1}}'::int[] FROM {{mart}}", [(True, "2023-07-01", [[1]])]),
    ("%%sql\nSELECT 'it''s; one' AS a; -- the first; of two\nSELECT 2 /* ; /* ; */ */;\n-- the end;", [(2,)]),
    ("%%sql\n/* BEGIN */ SELECT E'\\'; :day', U&'\\0041'", [("'; :day", "A")]),
    ("%%sql\nSELECT ';'::text, (SELECT ';'), \";\" FROM (VALUES (1)) AS t (\";\")", [(";", ";", 1)]),
    ("%%sql\nCREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;\n"
     "SELECT pg_temp.f()", [(2,)]),
    ("%%sql\nSELECT json_object('a':day, $$b$$:/* : */:day)::text FROM (SELECT 1 AS day) AS t", [('{"a" : 1, "b" : "2023-07-01"}',)]),
    ("%%sql\nDO $do$ BEGIN PERFORM 1; /* :x */ END $do$; SELECT 3", [(3,)]),
    ("%%sql\nBEGIN; CREATE TABLE kept (a int); ROLLBACK; SELECT to_regclass('kept') IS NULL", [(True,)]),
])  # fmt: skip
def test_a_cell_is_one_statement_after_the_other_as_written(
    run: Run, cell: str, wanted: list[tuple[Any, ...]]
) -> None:
    assert [tuple(row) for row in run(cell)] == wanted


def test_an_option_that_is_none_is_refused(run: Run) -> None:
    ran = run.cell("%%sql --no-execut kept <<\nSELECT 1")
    assert not ran.success
    assert cells.refused[-1] == "%sql has no option --no-execut. A comment is written: -- no-execut"


def test_sent_has_comments_too(run: Run) -> None:
    run("%%sql\nSELECT 1 /* {{day}} :day */")
    assert cells.sent().data == "```sql\nSELECT 1 /* {{day}} :day */\n```"


# --- Results -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [
    "%%sql kept <<\nSELECT 1/0",
    "%%sql kept= <<\nSELECT :no_such_name",
    "%%sql warehouse\nkept = <<\nSELECT 'x'::date",
    "%sql kept << SELECT no_such_column",
    "kept = %sql SELECT 1/0",
    "kept = 1 / 0",
    "other, kept = 1, [each for each in 5]",
    "if True:\n    kept = 1\n    raise ValueError",
    "with open('no such file') as kept:\n    pass",
    "kept = 2\nkept += 'x'",
    "kept = (3, 25.00",
    "other, kept = 3, 25 dollars",
    "kept: int = $25",
    "kept = '2023-07-12\nprint(kept)",
    "%%sql --no-execut kept <<\nSELECT 1",
    "%%sqll kept= <<\nSELECT 1",
])  # fmt: skip
def test_what_a_failing_cell_was_to_make_is_gone(run: Run, cell: str) -> None:
    run("%%sql kept <<\nSELECT 'an older result'")
    assert len(run.names["kept"]) == 1
    assert not run.cell(cell).success
    assert "kept" not in run.names
    for later in ("kept.DataFrame()", "%%sql\nSELECT :kept"):
        assert not run.cell(later).success
        assert (
            cells.refused[-1]
            == "There is no kept: the cell that makes it failed. Run that cell again, then this one."
        )
    run("%%sql kept <<\nSELECT 'this one'")
    assert run.names["kept"][0][0] == "this one"


@pytest.mark.parametrize("cell", [
    "kept = kept.no_such_thing()", "[kept for kept in 5]", "kept += 1", "def f():\n    kept = 1\nf(1)", "kept[0] = 1 / 0",
    "kept == = 1", "print(kept=$1)", "%sql SELECT kept << 'x'",
])  # fmt: skip
def test_what_a_failing_cell_reads_or_does_not_assign_stays(run: Run, cell: str) -> None:
    run("kept = [1]")
    assert not run.cell(cell).success
    assert run.names["kept"] == [1]


def test_a_name_that_never_was_has_its_traceback(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    said = len(cells.refused)
    assert isinstance(run.cell("never_made").error_in_exec, NameError)
    assert "Traceback" in capsys.readouterr().out and len(cells.refused) == said
