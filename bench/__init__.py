"""What the gateway costs on this machine: `python -m bench`."""
