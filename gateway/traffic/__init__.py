"""Roll-ups of the request log: written with its rows, read by pages, metrics and other services. See `reading`."""
