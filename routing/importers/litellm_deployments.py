"""Which deployment serves each target of a litellm configuration: a row that is there already, or a new one."""

import re
from typing import Any

from routing.importers.litellm_config import LitellmConfig
from routing.importers.litellm_providers import Entry, ProviderPlan, total_limit
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_targets import Target
from routing.price_file import PriceFacts, lookup

ASSUMED = ("tools", "vision", "json_schema")
FREE_OF_CHARGE = {"input": "0", "cached_input": "0", "output": "0"}
RENAMED = re.compile(r"o[1-9](-|$)|gpt-5")  # litellm renames max_tokens for these; OpenAI refuses it
LONGEST_SOURCE = 200


class Deployments:
    """Finds or makes the deployment of each target; what is new or changed collects in `rows`.

    A model that the price file does not know is taken to be capable of tools, images and JSON schema: an
    installation that worked keeps working, and operators narrow it down.
    """

    def __init__(self, providers: ProviderPlan, config: LitellmConfig, situation: Situation) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._providers = providers
        self._config = config
        self._situation = situation
        self._current: dict[str, Entry] = dict(situation.rows("deployments"))
        self._slugs: dict[tuple[str, str], list[str]] = {}
        for slug, row in self._current.items():
            self._slugs.setdefault((row["provider"], row["model"]), []).append(slug)
        self._used: set[str] = set()

    def slug_for(self, target: Target) -> str:
        """The deployment with the target's provider, model, tier and time limit."""
        provider, model = self._providers.slugs[target.identity], target.upstream.model
        siblings = {slug: self._current[slug] for slug in self._slugs.get((provider, model), ())}
        slug = self._equal(siblings, target) or self._write(siblings, target, provider)
        self._used.add(slug)
        return slug

    def limit_for(self, target: Target) -> float:
        """Seconds to the first content: what the entry says, else the whole file, else the provider."""
        usual = self._providers.known[self._providers.slugs[target.identity]]["first_content_limit"]
        return float(target.entry.timeout or self._config.timeout or usual)

    def summary(self, slug: str) -> str:
        """A written deployment in a few words: tier and price."""
        row = self.rows[slug]
        newest = (row.get("prices") or [{}])[-1]
        paid, made = newest.get("input"), newest.get("output")
        price = f"USD {paid or '?'} in, {made or '?'} out per million" if paid or made else "price unknown"
        return f"tier {row['tier']}, {price}"

    def _equal(self, siblings: dict[str, Entry], target: Target) -> str:
        wanted = target.tier, self.limit_for(target)
        return next((slug for slug, row in siblings.items() if (row["tier"], self._limit(row)) == wanted), "")

    def _limit(self, row: Entry) -> float:
        own = row.get("first_content_limit")
        return float(self._providers.known[row["provider"]]["first_content_limit"] if own is None else own)

    def _write(self, siblings: dict[str, Entry], target: Target, provider: str) -> str:
        """A new row; when overwriting, one of the same model that nothing else of the file needs."""
        replaced = (
            next((slug for slug in siblings if slug not in self._used), "")
            if self._situation.overwrite
            else ""
        )
        row = dict(siblings[replaced]) if replaced else self._new(target, provider)
        row |= {"tier": target.tier, **self._limits(target, provider)}
        slug = replaced or self._free_slug(provider, target.upstream.model)
        self.rows[slug] = self._current[slug] = {name: value for name, value in row.items() if name != "slug"}
        return slug

    def _limits(self, target: Target, provider: str) -> dict[str, float | None]:
        """The deployment's own limits, where they are not its provider's."""
        limit, owner = self.limit_for(target), self._providers.known[provider]
        if limit == owner["first_content_limit"]:
            return {"first_content_limit": None}
        is_longer = limit >= owner["total_limit"]
        return {"first_content_limit": limit, "total_limit": total_limit(limit) if is_longer else None}

    def _free_slug(self, provider: str, model: str) -> str:
        base = f"{provider}/{model}"
        names = (base, *(f"{base[:195]}#{number}" for number in range(2, len(self._current) + 3)))
        slug = next(name for name in names if name not in self._current)
        self._slugs.setdefault((provider, model), []).append(slug)
        return slug

    def _new(self, target: Target, provider: str) -> dict[str, Any]:
        upstream = target.upstream
        facts = lookup(upstream.home or upstream.prefix, upstream.model)
        return {
            "provider": provider,
            "model": upstream.model,
            "context_window": facts.context_window if facts else None,
            "output_limit": facts.output_limit if facts else None,
            "capabilities": list(facts.capabilities if facts else ASSUMED),
            "parameter_policy": _parameter_policy(target),
            "source": self._source(facts),
            "prices": self._prices(target, facts),
        }

    def _prices(self, target: Target, facts: PriceFacts | None) -> list[dict[str, str | None]]:
        """Nothing where nobody bills; the vendor's own price at the vendor's own address; else unknown."""
        starts = f"{self._situation.now:%Y-%m-%d}T00:00:00Z"
        if self._situation.tiers()[target.tier]["billing"] != "paid":
            return [{"starts": starts, **FREE_OF_CHARGE}]
        if not facts or not target.upstream.home or (facts.input is None and facts.output is None):
            return []
        return [
            {
                "starts": starts,
                "input": facts.input,
                "cached_input": facts.cached_input,
                "output": facts.output,
            }
        ]

    def _source(self, facts: PriceFacts | None) -> str:
        source = facts.source if facts else "litellm configuration; capabilities assumed"
        return f"{source}, {self._situation.now:%Y-%m-%d}"[:LONGEST_SOURCE]


def _parameter_policy(target: Target) -> dict[str, str]:
    is_renamed = target.upstream.prefix == "openai" and RENAMED.match(target.upstream.model)
    return {"max_tokens": "max_completion_tokens"} if is_renamed else {}
