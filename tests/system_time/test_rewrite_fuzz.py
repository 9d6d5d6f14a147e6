"""PostgreSQL's own parser reads random statements: none is spoiled.

pglast has that parser. What parses as it has to be sent is sent so, byte for byte, or refused for the reason that its
place gives. What does not parse is refused, by us or by the parser.
"""

from __future__ import annotations

import re
from random import Random

import pytest
from statements_at_random import Maker, Piece, filled
from test_statements import MARK, NAMED, STATEMENTS

from medallion_lib.errors import TEXTS
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time import SystemTimeError, rewrite
from medallion_lib.system_time.tokens import RESERVED

pglast = pytest.importorskip("pglast", reason="pglast, PostgreSQL's parser, is in requirements-star.txt")

IN_TEXT = re.compile(r"%\(then\)s|%s(?!\w)|(?<!:):then")


def parses(sql: str) -> bool:
    try:
        pglast.parser.parse_sql_json(IN_TEXT.sub("$1", sql))
    except pglast.parser.ParseError:
        return False
    return True


def wrong(made: Piece) -> str | None:
    """What is wrong with how the statement is rewritten; None if nothing is."""
    try:
        sent = rewrite(made.written)
    except SystemTimeError as error:
        reasons = [name for name in made.refusals if says(error, name)]
        if reasons or not parses(made.sent):
            return None
        return f"refused: {error}"
    if made.refusals:
        return f"not refused, {made.refusals}: {sent}" if parses(sent) else None
    if sent == made.sent or not (parses(made.sent) or parses(sent)):
        return None
    return f"sent as {sent}"


def says(error: SystemTimeError, name: str) -> bool:
    return re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(TEXTS[name])), str(error), re.DOTALL) is not None


def statements(seed: int, count: int) -> list[Piece]:
    maker = Maker(Random(seed))
    return [maker.statement() for _ in range(count)]


def all_wrong(made: list[Piece]) -> list[str]:
    found = [(each, wrong(each)) for each in made]
    return [f"{each.written}\n  has to be {each.sent}\n  {said}" for each, said in found if said]


@pytest.mark.parametrize("count", [500, pytest.param(2_000, marks=pytest.mark.slow)])
def test_random_statements(count: int) -> None:
    made = statements(1, count)
    assert sum(parses(each.sent) for each in made) > 0.6 * count
    assert all_wrong(made) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_more_random_statements(seed: int) -> None:
    assert all_wrong(statements(seed, 50_000 // 10)) == []


def test_statements_over_all_syntax_with_random_instants() -> None:
    maker = Maker(Random(3))
    made = [at_the_mark(maker, sql, mark) for sql in STATEMENTS for mark in MARK.finditer(sql)]
    assert sum(parses(each.sent) for each in made) > 250
    assert all_wrong(made) == []


@pytest.mark.parametrize("count", [500, pytest.param(2_000, marks=pytest.mark.slow)])
def test_of_a_spoiled_statement_nothing_else_is_sent(count: int) -> None:
    """A word left out or said twice: whatever the clause stands in then, it is refused or right."""
    random = Random(4)
    found, parsed = [], 0
    for number, sql in enumerate(random.choices([sql for sql in STATEMENTS if MARK.search(sql)], k=count)):
        word = random.choice([*re.finditer(r"[\w$]+|[^\w\s/@=]", sql)])
        said = random.choice(["", f"{word[0]} {word[0]}", random.choice(["FROM", "SELECT", ",", "ON", "ONLY", "AS x"])])
        spoiled = sql[: word.start()] + said + sql[word.end() :]
        if not (mark := MARK.search(spoiled)) or not NAMED.search(spoiled[: mark.start()]):
            continue
        # The word may have become the reference's alias, or have been it.
        made, other = (at_the_mark(Maker(Random(number)), spoiled, mark, named) for named in (True, False))
        try:
            sent = rewrite(made.written)
        except SystemTimeError:
            continue
        parsed += parses(sent)
        if sent not in (made.sent, other.sent) and parses(sent):
            found.append(f"{made.written}\n  sent as {sent}")
    assert parsed > 0.065 * count
    assert found == []


def at_the_mark(maker: Maker, sql: str, mark: re.Match[str], takes_name: bool | None = None) -> Piece:
    """The statement with a clause at the mark, which says whether the name becomes the alias."""
    before, after = sql[: mark.start()], sql[mark.end() :]
    name, form = NAMED.search(before)[1], maker.one(FORMS)
    instants = [maker.expression(frozenset()) for _ in range(form.count)]
    clause = filled(form.clause.replace("{}", "§"), *instants)
    called = f'{name[:-1]}{form.suffix}"' if name.endswith('"') else name + form.suffix
    own = f'"{name.lower()}"' if name.upper() in RESERVED else name
    alias = f" AS {own}" if (takes_name if takes_name is not None else "@" in mark[0]) else ""
    space = "\n" if after[:1].isalpha() else ""
    sent = f"{before.removesuffix(name)}{called}({', '.join(i.sent for i in instants)}){alias}{space}{after}"
    return Piece(f"{before} FOR SYSTEM_TIME {clause.written}{space}{after}", sent, clause.refusals)


@pytest.mark.parametrize("depth", [10, 4_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_brackets_of_any_depth(depth: int) -> None:
    deep = "(" * depth + "now()" + ")" * depth
    assert rewrite(f"SELECT * FROM t FOR SYSTEM_TIME AS OF {deep} d") == f"SELECT * FROM t__as_of({deep}) d"
    cases = "CASE WHEN a THEN " * depth + "b" + " END" * depth
    assert rewrite(f"SELECT * FROM t FOR SYSTEM_TIME AS OF {cases}") == f"SELECT * FROM t__as_of({cases}) AS t"
    within = "(SELECT * FROM " * depth + "t FOR SYSTEM_TIME ALL" + ")" * depth
    assert rewrite(f"SELECT * FROM {within}") == f"SELECT * FROM {within}".replace(" FOR SYSTEM_TIME ALL", "__all() AS t")
