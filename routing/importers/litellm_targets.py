"""The entries of a litellm configuration, resolved: each name's targets, and which entries lead nowhere here."""

import re
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from routing.importers.errors import NotCarried, shown
from routing.importers.litellm_config import LitellmConfig, ModelEntry
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_values import Credential
from routing.importers.litellm_vendors import Upstream, upstream_of
from routing.importers.report import Report
from routing.models import Alias, Deployment
from routing.price_file import lookup
from routing.validators import MODEL_NAME

SERVED_MODES = frozenset({"", "chat", "completion", "responses"})
TIER_WORD = "(free|internal|direct|premium)"
DESCRIBED_TIER = re.compile(rf"\W*{TIER_WORD}\b|.*?\b{TIER_WORD} tier\b", re.IGNORECASE | re.DOTALL)
OTHER_WORDS = {"local": "internal", "self_hosted": "internal", "self-hosted": "internal"}
BILLED_TIERS = frozenset({"direct", "premium"})
LONGEST_NAME = Alias._meta.get_field("name").max_length or 0
LONGEST_MODEL = Deployment._meta.get_field("model").max_length or 0

Identity = tuple[tuple[str, str, str], Credential]


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of the file, resolved: where it leads, and in which tier."""

    entry: ModelEntry
    upstream: Upstream
    tier: str

    @property
    def identity(self) -> Identity:
        """Equal for entries that one provider row serves."""
        return self.upstream.place, self.upstream.credential


def targets_by_name(config: LitellmConfig, situation: Situation, report: Report) -> dict[str, list[Target]]:
    """Each name of the file with its targets in the file's order; the report has the entries that are left."""
    names: dict[str, list[Target]] = {}
    for entry in config.entries:
        try:
            names.setdefault(entry.name, []).append(_target(entry, situation, report))
        except NotCarried as reason:
            what = f"{shown(entry.name)} ({shown(entry.model)})"
            report.say("not_carried", f"{what}: {str(reason).rstrip('.')}.", entry.line)
    return {name: targets for name, targets in names.items() if targets}


def _target(entry: ModelEntry, situation: Situation, report: Report) -> Target:
    check_name(entry.name, LONGEST_NAME, "its name")
    upstream = upstream_of(entry, situation.surroundings, situation.environ)
    check_name(upstream.model, LONGEST_MODEL, "the model's name")
    if "*" in upstream.model and "*" not in entry.name:
        raise NotCarried("its model has a *, and its name has none to fill it")
    facts = lookup(upstream.home or upstream.prefix, upstream.model)
    mode = entry.mode or (facts.mode if facts else "")
    if mode not in SERVED_MODES:
        raise NotCarried(f"it is for {shown(mode)}, and only chat is served")
    return Target(entry, upstream, _tier(entry, upstream, situation, report))


def check_name(name: str, longest: int, what: str) -> None:
    """Raise NotCarried for a name that cannot be asked for."""
    try:
        MODEL_NAME(name)
    except ValidationError as error:
        raise NotCarried(f"{what} cannot be used: {' '.join(error.messages)}") from None
    if len(name) > longest:
        raise NotCarried(f"{what} is longer than {longest} characters")


def _tier(entry: ModelEntry, upstream: Upstream, situation: Situation, report: Report) -> str:
    """What the entry says, else what its description begins with, else the usual one of its provider."""
    word = OTHER_WORDS.get(entry.tier, entry.tier)
    if word in situation.tiers():
        return word
    if word == "paid":
        return upstream.tier if upstream.tier in BILLED_TIERS else "direct"
    described = DESCRIBED_TIER.match(entry.description)
    tier = (described.group(1) or described.group(2)).lower() if described else upstream.tier
    if word:
        report.say(
            "not_carried", f"model_info.tier {shown(word)} is no tier here; {tier} was taken.", entry.line
        )
    return tier
