"""The ways of SQL:2011 to name versions of a table by when they were current."""

from typing import NamedTuple


class Form(NamedTuple):
    """What follows FOR SYSTEM_TIME, and the function that stands for it: `table__name(…)`.

    Boundaries are those of SQL Server's documentation and of MariaDB: a version is current from
    sys_start on and up to but without sys_end.
    """

    name: str
    clause: str  # with {} for each instant
    parameters: tuple[str, ...]  # as its function names them
    condition: str  # of the versions, by the instants $1 and $2

    @property
    def suffix(self) -> str:
        return f"__{self.name}"

    @property
    def count(self) -> int:
        """How many instants it takes."""
        return self.clause.count("{}")

    @property
    def declared(self) -> str:
        """What its function takes, as CREATE FUNCTION has it."""
        kind = "timestamptz" if self.count else "boolean DEFAULT true"
        return ", ".join(f'"{name}" {kind}' for name in self.parameters)

    @property
    def types(self) -> str:
        """The types of what its function takes."""
        return ", ".join(["timestamptz"] * self.count) or "boolean"


FORMS = (
    Form("as_of", "AS OF {}", ("as of",), "sys_start <= $1 AND sys_end > $1"),
    Form("from_to", "FROM {} TO {}", ("from", "to"), "sys_start < $2 AND sys_end > $1"),
    Form("between", "BETWEEN {} AND {}", ("between", "and"), "sys_start <= $2 AND sys_end > $1"),
    Form("contained_in", "CONTAINED IN ({}, {})", ("contained in", "and"),
         "sys_start >= $1 AND sys_end <= $2"),
    Form("all", "ALL", ("all",), "true"),
)  # fmt: skip
AS_OF = FORMS[0]
