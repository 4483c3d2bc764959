"""Figures for Prometheus: counted in each worker's memory, shared by the workers of a machine through small files.

`counts.py` is what is counted and how it is added up, `shelf.py` the files, `gauges.py` what is true at this moment,
`exposition.py` the text. Every machine is scraped by itself; the workers behind one port answer for each other.
"""
