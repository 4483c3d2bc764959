"""The routing engine: pure, deterministic Python. No I/O, no clock, no dice, no Django."""
