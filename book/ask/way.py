"""The statements of one change's way in the page: those of way.sql, and the project's own merge."""

import json
import re
from pathlib import Path

from medallion_lib import Medallion

STEP = re.compile(r"^-- step: (\w+)\n(.+?)(?=^-- step|\Z)", re.MULTILINE | re.DOTALL)


def write(lab: Medallion, made: Path) -> None:
    steps = dict(STEP.findall(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")))
    merge = lab.merge_statement("fact_payment")
    steps["merge"] = merge % {"since": "{lsn}", "upto": "{lsn} + 1"}
    told = {name: sql.strip() for name, sql in steps.items()}
    (made / "way.json").write_text(json.dumps(told), encoding="utf-8")
