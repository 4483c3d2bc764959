"""Importers: other gateways' configuration files become rows of the catalogue, with a report of what did not fit."""
