"""The functions behind `FOR SYSTEM_TIME`: one for each form and each relation that has history.

`silver.t__as_of(instant)` gives the versions of table t that were live then. A view's function
gives the view with each versioned relation in it read at that instant, so that no view is
written twice. PostgreSQL inlines them: indexes and partitions serve as in a plain query.
The forms over a period are for tables and for views that pick rows and columns of one relation.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.system_time.clause import SystemTimeError, rewrite
from medallion_lib.system_time.forms import AS_OF, FORMS, Form
from medallion_lib.system_time.tokens import edited, quoted, tokenize

_Names = dict[int, tuple[str, str]]  # schema and name by oid
_IDLE = 0  # libpq's PQTRANS_IDLE, which psycopg 2 and 3 have in connection.info


class Relation(NamedTuple):
    """A versioned table, or a view that reads some: a row of relations.sql."""

    oid: int
    schema: str
    name: str
    reads: list[int]
    query: str
    is_plain: bool  # each row stands for one version
    obstacle: str | None
    fact: str | None
    is_mine: bool  # the connection's role owns it, and so its functions
    answers: bool  # it has a function that does
    has_horizon: bool = False  # older versions were deleted


def regenerate(connection: Any) -> dict[str, str]:
    """Make the functions for every versioned table and every view that reads one.

    Relations that cannot be asked AS OF come back with the reason, which their functions raise too.
    For the owner of those tables and views to run after any change to them, and of others'
    nothing is made; run again, it changes nothing. The caller commits, unless the connection
    is in autocommit.
    """
    with _transaction(connection) as cursor:
        own = _versioning_themselves(cursor)
        relations = [Relation(*row) for row in sqlfile.run(cursor, "system_time/relations", own)]
        cut = _with_horizon(cursor)
        relations = [each._replace(has_horizon=each.oid in cut) for each in relations]
        for command in stale(cursor, [relation.oid for relation in relations]):
            cursor.execute(command)
        refused = {}
        for form in FORMS:
            answering: _Names = {}
            for relation in relations:
                reason = _reason(cursor, relation, form, answering)
                if reason is None:
                    answering[relation.oid] = (relation.schema, relation.name)
                elif form is AS_OF and relation.is_mine:
                    refused[f"{relation.schema}.{relation.name}"] = reason
        return refused


def _with_horizon(cursor: Any) -> list[int]:
    """The tables whose older versions were deleted; without a warehouse there are none."""
    cursor.execute("SELECT to_regclass('meta.horizon') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return []
    cursor.execute("SELECT relation::oid FROM meta.horizon")
    return [oid for (oid,) in cursor.fetchall()]


def drop(connection: Any, schemas: Sequence[str] = ()) -> None:
    """Drop these functions: while they are there, no column, table or view of theirs can be.

    With `schemas`, those of their relations, and of what reads them.
    """
    with _transaction(connection) as cursor:
        within = "relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%s))"
        cursor.execute(f"SELECT array_agg(oid) FROM pg_class WHERE {within}", ([*schemas],))
        (oids,) = cursor.fetchone()
        for command in stale(cursor, None, oids or ()) if schemas else stale(cursor, ()):
            cursor.execute(command)


def stale(
    cursor: Any, relations: Sequence[int] | None, changing: Sequence[int] = ()
) -> list[str]:
    """Commands that drop the functions of no relation of these, or of one that is changing.

    Those that call them go, too, and those of a relation that was renamed are renamed.
    """
    values = {
        "relations": None if relations is None else list(relations),
        "changing": list(changing),
        "suffixes": [form.suffix for form in FORMS],
        "parameters": [",".join(form.parameters) for form in FORMS],
    }
    return [command for (command,) in sqlfile.run(cursor, "system_time/stale", values)]


def unkept(cursor: Any) -> list[str]:
    """What is amiss with tables that version themselves: triggers, and versions left over."""
    cursor.execute("SELECT to_regproc('meta.follow_tables') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return []
    return [text for (text,) in sqlfile.run(cursor, "system_time/unkept")]


def _versioning_themselves(cursor: Any) -> dict[str, list[Any]]:
    """The tables that do, where their versions are, and the tables of closed ones."""
    cursor.execute("SELECT to_regproc('meta.follow_tables') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return {"versioned": [], "sources": [], "histories": []}
    cursor.execute("CALL meta.follow_tables()")
    versioned, sources, histories = sqlfile.run(cursor, "system_time/own").fetchone()
    return {"versioned": versioned, "sources": sources, "histories": histories}


@contextmanager
def _transaction(connection: Any) -> Iterator[Any]:
    """A cursor in a transaction alone with the role's functions, and with no search_path."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        (path,) = cursor.fetchone()
        is_own = connection.info.transaction_status == _IDLE  # still, so it is in autocommit
        if is_own:
            cursor.execute("BEGIN")
        try:
            cursor.execute(sqlfile.read("system_time/alone"))
            yield cursor
            cursor.execute("SELECT set_config('search_path', %s, true)", (path,))
        except BaseException:
            if is_own:
                cursor.execute("ROLLBACK")
            raise
        if is_own:
            cursor.execute("COMMIT")


def _reason(cursor: Any, relation: Relation, form: Form, answering: _Names) -> str | None:
    """Why the relation's function for a form, which is made, does not answer; None if it does."""
    if not relation.is_mine:
        return None if relation.answers and (form is AS_OF or relation.is_plain) else ""
    fits = len((relation.name + form.suffix).encode(errors="surrogateescape")) <= 63
    try:
        if not fits:
            raise refusal("name leaves no room", SystemTimeError, fact=form.suffix)
        _make(cursor, relation, form, answering)
    except SystemTimeError as error:
        name, clause = f"{relation.schema}.{relation.name}", form.clause.format("…", "…")
        reason = str(refusal("view cannot travel", table=name, form=clause, reason=error))
        if fits:
            _create(cursor, "system_time/refusal", relation, form, comment=quoted(reason, "'"))
        return reason
    return None


def _make(cursor: Any, relation: Relation, form: Form, answering: _Names) -> None:
    """Raises SystemTimeError where the splice would not be the relation in that form."""
    if any(other not in answering for other in relation.reads):
        raise refusal("view reads one that cannot", SystemTimeError)
    if relation.obstacle:
        raise refusal(relation.obstacle, SystemTimeError, fact=relation.fact)
    if form is not AS_OF and not relation.is_plain:
        raise refusal("view over a period", SystemTimeError)
    query = f"{relation.query} WHERE {form.condition}"
    if relation.has_horizon:
        cursor.execute("SELECT meta.horizon_condition(%s, %s)", (relation.oid, form.since))
        query += cursor.fetchone()[0]
    if relation.reads:
        query = _spliced(relation.query, answering.values(), form)
    cursor.execute("SAVEPOINT function")
    try:
        _create(cursor, "system_time/function", relation, form, query=query)
    except Exception as error:
        diagnosis = getattr(error, "diag", None)
        if not diagnosis or (diagnosis.sqlstate or "")[:2] not in ("42", "0A"):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT function")
        raise SystemTimeError(f"{diagnosis.message_primary}.") from error
    cursor.execute("RELEASE SAVEPOINT function")


def _spliced(query: str, names: Collection[tuple[str, str]], form: Form) -> str:
    """`query` with each of the relations named in it read in this form, of $1 and $2."""
    tokens, clause, edits = tokenize(query), form.clause.format("$1", "$2"), []
    for i in range(4, len(tokens) - 2):
        schema, dot, name = tokens[i - 2 : i + 1]
        is_reference = dot.text == "." and (schema.identifier, name.identifier) in names
        if is_reference and tokens[i + 1].text != "(" and tokens[i - 3].text != "::":
            edits.append((name.end, name.end, f" FOR SYSTEM_TIME {clause}"))
    return rewrite(edited(query, edits))


def _create(cursor: Any, template: str, relation: Relation, form: Form, **parts: str) -> None:
    """Its parameters' names are how a function of ours is told from others."""
    schema = quoted(relation.schema)
    cursor.execute(
        sqlfile.read(template).format(
            function=f"{schema}.{quoted(relation.name + form.suffix)}",
            relation=f"{schema}.{quoted(relation.name)}",
            parameters=form.declared,
            types=form.types,
            form=form.clause.format("…", "…"),
            **parts,
        )
    )


def make_procedure(cursor: Any) -> None:
    """Make meta.make_functions, by which SQL alone makes the functions of a versioned table."""
    rows = []
    for form in FORMS:
        arguments = ", ".join(("$1", "$2")[: form.count])
        facts = (form.name, form.clause.format("…", "…"), form.declared, arguments, form.condition,
                 form.since, ",".join(form.parameters))  # fmt: skip
        rows.append("(" + ", ".join(f"'{fact}'" for fact in facts) + ")")
    cursor.execute(sqlfile.read("system_time/make_functions").format(forms=", ".join(rows)))
