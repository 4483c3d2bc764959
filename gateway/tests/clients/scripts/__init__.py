"""Programs that run in a client's own environment, where nothing of this project can be imported."""
