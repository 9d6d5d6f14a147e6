"""Where make spark puts the engine, so that a test that misses it is skipped and says so."""

import sys
from pathlib import Path

sys.path.append(str(Path(sys.prefix, "spark")))
