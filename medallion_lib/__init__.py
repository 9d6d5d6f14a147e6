"""A medallion warehouse on PostgreSQL that travels through time. See README.md."""

from medallion_lib.errors import MedallionError
from medallion_lib.medallion import Medallion

__all__ = ["Medallion", "MedallionError"]
