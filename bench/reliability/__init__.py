"""What the gateway promises when things go wrong, tried on this machine and written into docs/reliability.md."""
