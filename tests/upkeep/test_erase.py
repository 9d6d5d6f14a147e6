"""A row's values leave bronze, silver and every version, and nothing brings them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from changes import ONE, Change, World
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL
from test_commands import done, refused
from test_prune import check, count, pruned

from medallion_lib import Medallion, MedallionError, databases, rebuild, server
from medallion_lib.errors import Unconfirmed
from medallion_lib.upkeep.erase import erase

ERASING = st.tuples(st.just("erase"), st.integers(1, 3), st.sampled_from([(), ("email",), ("email", "first_name")]))
PRUNING = st.tuples(st.just("prune"), st.integers(0, 20), st.just(()))
STEPS = st.lists(st.one_of(*[st.lists(ONE, min_size=1, max_size=2)] * 4, ERASING, ERASING, PRUNING), min_size=5, max_size=20)
UNBOUND = "SET session_replication_role = replica"  # a customer of no store
REACHED = "SELECT array_agg(ROW(stage, lsn, commit_ts)::text ORDER BY stage)::text FROM meta.watermark"


@pytest.fixture(scope="module")
def warehouse(spare_url: URL) -> Iterator[Connection]:
    databases.build_warehouse(spare_url)
    with closing(server.connect(spare_url)) as connection:
        yield connection


def mentions(warehouse: Connection, text: str) -> int:
    """How many rows of the customers' bronze and silver have a text anywhere."""
    every = ("SELECT each::text FROM bronze.br_customer_cdc AS each UNION ALL SELECT each::text FROM silver.dim_customer_hist AS each "
             "UNION ALL SELECT each::text FROM meta.erasure AS each")  # fmt: skip
    return count(warehouse, f"SELECT count(*) FROM ({every}) AS it (line) WHERE line LIKE '%{text}%'")


def random_histories(examples: int, warehouse: Connection) -> None:
    @settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), database=None,
              phases=[Phase.generate])
    @given(STEPS)
    def run(steps: list) -> None:
        world = World(warehouse)
        for step in steps:
            if isinstance(step, list):
                world.play([step])
            elif step[0] == "prune" and world.now:
                pruned(world, min(step[1], world.now))
            elif step[0] == "erase":
                _, key, columns = step
                before = count(warehouse, REACHED)
                try:
                    erase(warehouse, "customer", key, columns, yes=True)
                except MedallionError as nothing:
                    assert "bronze has no change of it" in str(nothing)
                    continue
                world.erase("customer", key, columns)
                assert count(warehouse, REACHED) == before
                values = "email" if columns else "customer_id"
                left = f"SELECT count(*) FROM bronze.br_customer_cdc WHERE full_row ->> 'customer_id' = '{key}' AND full_row ->> '{values}' IS NOT NULL"
                assert count(warehouse, left) == 0
            check(world)
        assert not any(each.lost or each.gained for each in rebuild.rebuild(warehouse))
        check(world)

    run()


def test_every_instant_is_answered_without_it_and_so_is_a_rebuild(warehouse: Connection) -> None:
    random_histories(2, warehouse)


@pytest.mark.slow
def test_every_instant_is_answered_without_it_in_many_histories(warehouse: Connection) -> None:
    random_histories(200, warehouse)


def three(world: World) -> None:
    world.play([[Change("customer", 1, 1), Change("customer", 2, 2)], [Change("customer", 1, 3)], [Change("customer", 1, 0)]])


def test_it_says_how_much_and_changes_nothing_without_a_yes(warehouse: Connection) -> None:
    world = World(warehouse)
    three(world)
    for columns, what in (((), "the row"), (("email", "last_name"), "email, last_name")):
        with pytest.raises(Unconfirmed, match=f"This would erase {what} of customer 1 from 3 changes and 2 versions, for good"):
            erase(warehouse, "customer", 1, columns)
    check(world)


def test_the_journal_holds_no_value_of_it(warehouse: Connection) -> None:
    world = World(warehouse)
    three(world)
    assert erase(warehouse, "customer", 1, ("email",), yes=True) == [("customer", 3, 2)]
    world.erase("customer", 1, ("email",))
    assert mentions(warehouse, "e1@") == mentions(warehouse, "e3@") == 0 != mentions(warehouse, "e2@")
    open_ = "SELECT count(*) FROM meta.erasure WHERE key_hash IS NOT NULL"
    assert count(warehouse, open_) == 1
    world.play([[Change("customer", 1, 2)]])
    assert mentions(warehouse, "e2@") == 2  # those of customer 2
    world.play([[Change("customer", 1, None)]])
    assert count(warehouse, open_) == 0
    world.play([[Change("customer", 1, 3)]])  # somebody else, who is given the number again
    assert mentions(warehouse, "e3@") == 2
    check(world)


def test_what_can_not_be_erased_is_refused(warehouse: Connection) -> None:
    world = World(warehouse)
    three(world)
    for name, key, columns, told in (
        ("customer", 9, (), "bronze has no change of it"), ("customer", "x", (), "invalid input syntax"),
        ("customer", 1, ("customer_id",), "can't be without a value"), ("customer", 1, ("emial",), "Columns like it: .*email"),
        ("customers", 1, (), "Tables like it that are: .*customer"), ("customer", {"email": 1}, (), "its key is"),
    ):  # fmt: skip
        with pytest.raises(MedallionError, match=told):
            erase(warehouse, name, key, columns, yes=True)
    check(world)


@pytest.mark.parametrize(("identity", "columns"), [
    ("DEFAULT", []), ("FULL", ["email"]), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("FULL", []), ("DEFAULT", ["email"]))),
])  # fmt: skip
def test_a_later_change_or_delete_at_the_source_does_not_bring_it_back(lab: Medallion, identity: str, columns: list[str]) -> None:
    insert = ("INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id) "
              "VALUES (%s, 1, 'Nora', 'Ek', %s, 1)")  # fmt: skip
    with server.session(lab.source_url) as shop:
        shop.execute(UNBOUND)
        shop.execute(f"ALTER TABLE customer REPLICA IDENTITY {identity}")
        shop.execute(insert, (1, "secret@example.org"))
        shop.execute(insert, (2, "other@example.org"))
    lab.capture()
    lab.merge()
    assert lab.verify() == []
    asking = ["erase", "customer", "1", *(["--columns", *columns] if columns else [])]
    assert "for good" in refused(lab, *asking)
    assert done(lab, *asking, "--yes").split()[-3:] == ["customer", "1", "1"]
    with server.session(lab.warehouse_url) as cursor:
        left = cursor.connection
        assert mentions(left, "secret") == 0
        assert lab.verify() == []
        for statement in ("UPDATE customer SET last_name = 'Ekberg', email = 'secret2@example.org' WHERE customer_id = 1",
                          "UPDATE customer SET email = 'secret3@example.org' WHERE customer_id = 1",
                          "DELETE FROM customer WHERE customer_id = 1"):  # fmt: skip
            with server.session(lab.source_url) as shop:
                shop.execute(statement)
            assert lab.verify() == []
            assert mentions(left, "secret") == 0 and mentions(left, "other") == 2
        with server.session(lab.source_url) as shop:
            shop.execute(UNBOUND)
            shop.execute(insert, (1, "new@example.org"))
        assert lab.verify() == []
        assert mentions(left, "new@") == 2
    assert lab.capture(resnapshot=True, yes=True).rows > 0
    assert lab.verify() == []
    assert not any(each.lost or each.gained for each in lab.rebuild())


def test_a_new_snapshot_does_not_bring_it_back(lab: Medallion) -> None:
    with server.session(lab.source_url) as shop:
        shop.execute(UNBOUND)
        shop.execute("INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id) "
                     "SELECT n, 1, 'Nora', 'Ek', 'secret' || n, 1 FROM generate_series(1, 3) AS n")  # fmt: skip
    lab.capture()
    lab.merge()
    lab.erase("customer", 1, yes=True)
    lab.erase("customer", 2, ["email"], yes=True)
    lab.capture(resnapshot=True, yes=True)
    assert lab.verify() == []
    with server.session(lab.warehouse_url) as cursor:
        assert mentions(cursor.connection, "secret1") == mentions(cursor.connection, "secret2") == 0
        assert count(cursor.connection, "SELECT count(*) FROM meta.erasure WHERE key_hash IS NOT NULL") == 2
