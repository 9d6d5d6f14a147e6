"""What the source says: its catalog, its publication and slot, its log."""
