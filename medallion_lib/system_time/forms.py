"""The ways to name versions of a table by when they were current.

AS OF, FROM … TO and BETWEEN are SQL:2011's; CONTAINED IN and ALL are SQL Server's.
"""

from typing import NamedTuple


class Form(NamedTuple):
    """What follows FOR SYSTEM_TIME, and the function that stands for it: `table__name(…)`.

    Boundaries are the standard's: a version is current from sys_start on and up to but without
    sys_end. A period that runs backwards has no versions, nor has an empty FROM … TO.
    """

    name: str
    clause: str  # with {} for each instant
    parameters: tuple[str, ...]  # as its function names them
    condition: str  # of the versions, by the instants $1 and $2
    since: str = "$1"  # from when on it needs a whole history, if there is such an instant

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
    Form("from_to", "FROM {} TO {}", ("from", "to"),
         "sys_start < $2 AND sys_end > $1 AND $1 < $2"),
    Form("between", "BETWEEN {} AND {}", ("between", "and"),
         "sys_start <= $2 AND sys_end > $1 AND $1 <= $2"),
    # The greatest of an instant and null is the instant, and a null instant names no versions.
    Form("symmetric", "BETWEEN SYMMETRIC {} AND {}", ("between symmetric", "and"),
         "sys_start <= greatest($1, $2) AND sys_end > least($1, $2) AND ($1 <= $2) IS NOT NULL",
         "least($1, $2)"),
    Form("contained_in", "CONTAINED IN ({}, {})", ("contained in", "and"),
         "sys_start >= $1 AND sys_end <= $2"),
    Form("all", "ALL", ("all",), "true", ""),
)  # fmt: skip
AS_OF = FORMS[0]
# Each form by how it is written, the longer ways first where one begins another.
WRITTEN = (("BETWEEN ASYMMETRIC {} AND {}", next(form for form in FORMS if form.name == "between")),
           *((form.clause, form) for form in reversed(FORMS)))  # fmt: skip
