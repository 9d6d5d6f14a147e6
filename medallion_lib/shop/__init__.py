"""The sample: a video-rental shop, its year, and the silver and gold that are made of it."""

from medallion_lib.shop.year import build, load, replay

__all__ = ["build", "load", "replay"]
