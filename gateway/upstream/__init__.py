"""How the gateway speaks to upstreams: one wire for each dialect, one table that classifies failures."""
