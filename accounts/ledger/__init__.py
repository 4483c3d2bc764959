"""Who may still use how much: limits that hold on any number of workers, kept in Postgres alone.

A worker takes *leases* from Postgres, a little ahead of need, and serves from them without asking. What a request may
use at most is *reserved* from the lease before its first attempt and *settled* by what it used at its end. Every
quarter of a second the worker reports what was used and gives idle leases back. A worker that is silent for half a
minute loses its leases to the others (docs/decisions/0017).

rules      what is limited: a name, a kind, a limit      postgres   the one statement that reports and takes
allowance  one rule's numbers in this worker             ledger     reserves, and talks to Postgres in the background
asks       what an allowance reports and needs           lost       what a dead worker's requests had set aside
"""
