"""A few questions to a running gateway, ours or another one with OpenAI's API: does it answer, and who does?

Standard library only, and no database: it asks over HTTP, as any client would.
"""

from rainymodel_site.smoke.checks import Check, Questions, run
from rainymodel_site.smoke.client import Gateway

__all__ = ["Check", "Gateway", "Questions", "run"]
