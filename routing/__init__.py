"""The catalogue: what may be called, under which name, and in which order."""
