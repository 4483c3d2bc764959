"""Why a deployment is left out, and what to do about it, as sentences for an operator."""

from collections.abc import Iterator

from gateway.narrative import SKIPPED, plain
from rainymodel_site.console.explain_catalogue import Catalogue
from routing.engine.plan import Plan, Rejection
from routing.engine.snapshot import Price

# What an operator can do about a reason; nothing where the request itself decides.
ADVICE = {
    "disabled": "Switch it on to use it.",
    "no_credential": "Set the credential on the provider's page.",
    "address_refused": "The environment of the server decides which addresses are allowed.",
    "tier_not_in_policy": "Name another policy, or add the tier to this one.",
    "tier_not_allowed": "Give the key a higher tier to let it in.",
    "price_ceiling": "Raise the policy's ceiling, or give the deployment its price.",
    "unpriced": "Give the deployment a price.",
}
STRATEGIES = {
    "fastest": "In tier {tier} the fastest goes first, as each worker measures it; here they stand as listed.",
    "weighted": "In tier {tier} each request draws its own order by weight; this is one draw of many.",
}
UNKNOWN_PRICE = "price unknown"


def sentence(rejection: Rejection) -> str:
    """`Its context window is too small: a window of 8192 tokens.`, and what to do where something can be done."""
    words = plain(SKIPPED, rejection.reason)
    detail = f": {rejection.detail}" if rejection.detail else ""
    advice = ADVICE.get(rejection.reason, "")
    return f"{words[:1].upper()}{words[1:]}{detail}. {advice}".strip()


def price_words(price: Price | None) -> str:
    """`$0.28 in, $0.42 out per million tokens`, or that it is unknown."""
    if price is None or price.input is None or price.output is None:
        return UNKNOWN_PRICE
    return f"${price.input} in, ${price.output} out per million tokens"


def notes_on(plan: Plan, catalogue: Catalogue) -> Iterator[str]:
    """What a reader has to know beside the order."""
    for step in plan.policy.steps:
        places = [one for one in plan.candidates if one.deployment.tier.slug == step.tier]
        if step.strategy in STRATEGIES and len(places) > 1:
            yield STRATEGIES[step.strategy].format(tier=step.tier)
    last = catalogue.snapshot.last_resort
    if last is not None and any(one.deployment.slug == last.slug for one in plan.candidates):
        yield "Nothing of the catalogue can be called from here, so the demonstration upstream answers."
    if not catalogue.is_live:
        yield f"Planned for {catalogue.name} with the credentials and addresses that this server has now."
