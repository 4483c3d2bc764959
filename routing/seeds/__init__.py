"""Reviewed starting data, loaded by `manage.py load_catalogue`."""
