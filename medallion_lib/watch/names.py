"""The names of a person's tables: as typed, as near ones, and what a warehouse calls them."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from hashlib import sha256
from itertools import chain, count

from medallion_lib.system_time.forms import FORMS
from medallion_lib.table import current
from medallion_lib.tables import Tables

SIZE = 63  # bytes of a name that PostgreSQL keeps
LONGEST = SIZE - len("_hist") - max(len(form.suffix) for form in FORMS)
PART = r'"((?:[^"]|"")+)"|([^".]+)'


def spelled(text: str) -> list[tuple[str, ...]]:
    """What a name like sales."Odd Name" may mean, likeliest first: as SQL reads it, as it is."""
    if not re.fullmatch(rf"(?:{PART})(?:\.(?:{PART}))*", text):
        return [(text,)]
    parts = [(quoted.replace('""', '"'), bare) for quoted, bare in re.findall(PART, text)]
    as_sql = tuple(quoted or bare.lower() for quoted, bare in parts)
    as_it_is = tuple(quoted or bare for quoted, bare in parts)
    return [*dict.fromkeys([as_sql, as_it_is, (text,)])]


def near(text: str, there: Iterable[str]) -> str:
    """Names that look like this one, to show; the first ones where none does."""
    there = {name.lower(): name for name in there}
    found = get_close_matches(text.lower(), there, n=5, cutoff=0.5) or [*there][:5]
    return ", ".join(there[each] for each in found) or "none"


def _shortened(name: str, of: str, size: int) -> str:
    """At most so many bytes of UTF-8: the name's beginning, and a mark of what it is short for."""
    mark = "_" + sha256(of.encode()).hexdigest()[:8]
    return name.encode()[: size - len(mark)].decode(errors="ignore") + mark


class Names:
    """Gives tables names in the warehouse, each once, beside those that it has."""

    def __init__(self, kept: Tables, schemas: Collection[str]) -> None:
        """`schemas` are those of all tables to come."""
        plain = {(each.schema, each.bronze_schema) for each in kept.each}
        public = ("public", "bronze")
        self.is_plain = public in plain if kept.each else {*schemas} <= {"public"}
        self.taken: dict[str, set[str]] = {}
        for each in kept.each:
            self._take(each.bronze_schema, each.bronze.strings[1])
            if each.history:
                self.take_history(each.silver_schema, each.history)

    def _take(self, schema: str, *names: str) -> None:
        self.taken.setdefault(schema, set()).update(names)

    def take_history(self, schema: str, history: str) -> None:
        """Let nothing else have a history's name, or that of its view of current rows."""
        self._take(schema, history, current(history))

    def layer(self, layer: str, schema: str) -> str:
        """The schema of a layer that the tables of a source's schema have."""
        if self.is_plain and schema == "public":
            return layer
        whole = f"{layer}_{schema}"
        return whole if len(whole.encode()) <= SIZE else _shortened(whole, schema, SIZE)

    def base(self, schema: str, name: str) -> str:
        """What the table's names in each layer begin with: its own, if no other has or needs that.

        Indexes have names that begin with their table's, so a view has none that begins with a
        history's.
        """
        bronze, silver = (self.layer(layer, schema) for layer in ("bronze", "silver"))
        here, there = self.taken.get(bronze, set()), self.taken.get(silver, set())
        marked = (_shortened(name, f"{schema}.{name}{turn or ''}", LONGEST) for turn in count())
        plain = [name] if len(name.encode()) <= LONGEST and _is_apart(name, there) else []
        base = next(each for each in chain(plain, marked) if f"br_{each}_cdc" not in here
                    and not there & {each, f"{each}_hist"})  # fmt: skip
        self._take(bronze, f"br_{base}_cdc")
        self.take_history(silver, f"{base}_hist")
        return base


def _is_apart(base: str, taken: Collection[str]) -> bool:
    """Whether neither begins with the history of the other, as names of its indexes do."""
    histories = tuple(each for each in taken if each.endswith("_hist"))
    return not base.startswith(histories) and not any(x.startswith(f"{base}_hist") for x in taken)
