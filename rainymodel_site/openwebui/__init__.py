"""Open WebUI's database: which one, the statements that make it, and running them."""

from rainymodel_site.openwebui.plan import Plan, Refused, read_plan

__all__ = ["Plan", "Refused", "read_plan"]
