"""What a provider's own listing says of its models, and what of it can become deployments.

    discovery           listed model + price file → offer      discovery_add   chosen offers → rows
    discovery_listings  the bodies of listings → listed models

Nothing here asks anybody: the listings are fetched above this package.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError

from routing import price_file
from routing.price_file import PriceFacts
from routing.validators import MODEL_NAME

LONGEST_MODEL = 160
# What a name says of a model that neither the price file nor the listing knows, the first that fits; else it is a chat.
MODES_BY_NAME = (
    ("embedding", re.compile(r"embed|\b(?:bge|e5|gte)\b", re.I)),
    ("audio_transcription", re.compile(r"whisper|transcri", re.I)),
    ("audio_speech", re.compile(r"\btts\b|text-to-speech", re.I)),
    ("image_generation", re.compile(r"dall-e|stable-diffusion|\b(?:sdxl|flux|imagen|image)\b", re.I)),
    ("moderation", re.compile(r"moderation", re.I)),
    ("rerank", re.compile(r"rerank", re.I)),
    ("realtime", re.compile(r"realtime", re.I)),
)
# What a model does, in the price file's words → the dialects its deployment speaks. Other modes are not served.
DIALECTS = {
    "chat": ("chat",),
    "embedding": ("embeddings",),
    "responses": ("responses",),
    "completion": ("completions",),
}
NEW, KNOWN, UNFIT = "new", "known", "unfit"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a listing. Prices are USD per million tokens as decimal text, sizes tokens; None: not said.

    `mode` is the price file's word for what it does, empty when the listing does not say.
    """

    model: str
    mode: str = ""
    context_window: int | None = None
    output_limit: int | None = None
    capabilities: tuple[str, ...] = ()
    input: str | None = None
    cached_input: str | None = None
    output: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One model as a deployment would have it. `state` is new, known (a deployment already) or unfit, with `why`."""

    model: str
    state: str
    why: str
    dialects: tuple[str, ...]
    context_window: int | None
    output_limit: int | None
    capabilities: tuple[str, ...]
    input: str | None
    cached_input: str | None
    output: str | None
    source: str
    note: str = ""

    @property
    def is_new(self) -> bool:
        """Whether it can be added."""
        return self.state == NEW

    @property
    def is_known(self) -> bool:
        """Whether it is a deployment already."""
        return self.state == KNOWN

    @property
    def window(self) -> str:
        """Context window and output limit in tokens, to read."""
        if self.context_window is None and self.output_limit is None:
            return "unknown"
        return f"{_tokens(self.context_window)} / {_tokens(self.output_limit)}"

    @property
    def price(self) -> str:
        """Input and output in dollars per million tokens."""
        if self.input is None and self.output is None:
            return "unknown"
        return f"{self.input or '?'} / {self.output or '?'}"


def _tokens(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def merged(*listings: Iterable[ListedModel]) -> tuple[ListedModel, ...]:
    """Several listings of one provider as one: what an earlier one does not say, a later one may."""
    found: dict[str, ListedModel] = {}
    for listing in listings:
        for entry in listing:
            known = found.get(entry.model)
            found[entry.model] = _completed(known, entry) if known else entry
    return tuple(found.values())


def _completed(known: ListedModel, other: ListedModel) -> ListedModel:
    """A later listing fills in only what the first left open."""
    names = [name for name in ListedModel.__slots__ if getattr(known, name) in (None, "", ())]
    return replace(known, **{name: getattr(other, name) for name in names})


def from_price_file(provider: str) -> tuple[ListedModel, ...]:
    """The models that the price file has of a provider, for those that have no listing we can read."""
    return tuple(ListedModel(model) for model in price_file.models_of(provider) if "/" not in model)


def offers(
    listed: Iterable[ListedModel], *, provider: str, known: Mapping[str, str], today: str
) -> tuple[Offer, ...]:
    """What the listed models would be as deployments: new ones first, by name.

    `provider` is the price file's name of the provider, empty when it has none; `known` holds the models that are
    deployments already, with their slugs. What the price file does not say is taken from the listing.
    """
    made = (_offer(model, provider, known, today) for model in merged(listed))
    return tuple(sorted(made, key=lambda offer: ((NEW, KNOWN, UNFIT).index(offer.state), offer.model)))


def _offer(listed: ListedModel, provider: str, known: Mapping[str, str], today: str) -> Offer:
    facts = price_file.lookup(provider, listed.model.removeprefix("models/")) if provider else None
    mode = (facts.mode if facts else "") or listed.mode or _mode_by_name(listed.model)
    state, why = _state(listed.model, mode, known)
    return Offer(
        model=listed.model,
        state=state,
        why=why,
        dialects=DIALECTS.get(mode, ()),
        context_window=(facts.context_window if facts else None) or listed.context_window,
        output_limit=(facts.output_limit if facts else None) or listed.output_limit,
        capabilities=(facts.capabilities if facts else ()) or listed.capabilities,
        source=f"{facts.source if facts else 'the provider’s own listing'}, {today}"[:200],
        note=listed.note,
        **_prices(facts, listed),
    )


def _prices(facts: PriceFacts | None, listed: ListedModel) -> dict[str, str | None]:
    """All from one place: half a price of each would be neither's."""
    has_price = facts is not None and (facts.input is not None or facts.output is not None)
    origin: PriceFacts | ListedModel = facts if facts is not None and has_price else listed
    return {"input": origin.input, "cached_input": origin.cached_input, "output": origin.output}


def _mode_by_name(model: str) -> str:
    return next((mode for mode, pattern in MODES_BY_NAME if pattern.search(model)), "chat")


def _state(model: str, mode: str, known: Mapping[str, str]) -> tuple[str, str]:
    if model in known:
        return KNOWN, f"is {known[model]}"
    if mode not in DIALECTS:
        return UNFIT, f"is for {mode.replace('_', ' ')}, which this gateway does not serve"
    try:
        MODEL_NAME(model)
    except ValidationError:
        return UNFIT, "has a name that no deployment can have"
    if len(model) > LONGEST_MODEL or "*" in model:
        return UNFIT, "has a name that no deployment can have"
    return NEW, ""
