"""A warehouse in use for long: cut back, cleared of a person's values, and watched."""
