"""An OpenAI-shaped upstream that plays scenarios: for tests, for the benchmark and for a first demonstration.

The model name chooses the scenario (`ok`, `slow:first=0.5`, `status:code=429,retry_after=7`); any other name
is answered as `ok`. `python -m gateway.upstream.scripted --list` prints them all. Whatever happens is written
into a ledger, so a test can ask the upstream what it saw.

    wire        bytes → one HTTP request               script      the steps a scenario is made of
    connection  one client's socket                    player      steps → timed writes
    endpoints   request → script                       scenarios/  the registry, one small function each
    completion  answers in OpenAI's shapes             ledger      what happened, bounded in memory
"""

from gateway.upstream.scripted.ledger import Entry, Ledger, Totals
from gateway.upstream.scripted.server import ScriptedUpstream, scripted_upstream

__all__ = ["Entry", "Ledger", "ScriptedUpstream", "Totals", "scripted_upstream"]
