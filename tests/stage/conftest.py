from chromium import chromium

__all__ = ["chromium"]
