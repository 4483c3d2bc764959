"""What each worker holds against its upstreams, shown to operators, and what operators order, kept by every worker.

standing   health → how one deployment stands          report    every standing → rows that the page reads
changes    every change noted, logged and counted      orders    rows that operators wrote → the worker's health
keeper     the job that does all of it, off the request path
"""
