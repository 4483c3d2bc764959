"""/api/explain/: where a request would go, and why not elsewhere, without calling anyone; for operators."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.errors import BadRequest
from rainymodel_site.api.bodies import Strict, read_body
from rainymodel_site.api.permissions import IsOperator
from rainymodel_site.console.explain import Explanation, LeftOut, Place, Question, explain
from rainymodel_site.console.explain_catalogue import LIVE, CatalogueMissing, KeyMissing
from routing.engine.snapshot import CAPABILITIES, DIALECTS, Price

MOST_TOKENS = 100_000_000


class ExplainQuestion(Strict, serializers.Serializer):
    """A request as routing sees it. `key` is a stored key's id or label, `revision` live, draft or a number."""

    model = serializers.CharField(max_length=200)
    policy = serializers.CharField(
        max_length=60, required=False, default="", allow_blank=True, allow_null=True
    )
    provider = serializers.CharField(
        max_length=100, required=False, default="", allow_blank=True, allow_null=True
    )
    key = serializers.CharField(max_length=100, required=False, default="", allow_blank=True, allow_null=True)
    needs = serializers.MultipleChoiceField(choices=CAPABILITIES, required=False, default=())
    dialect = serializers.ChoiceField(choices=DIALECTS, required=False, default="chat")
    input_tokens = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, required=False, default=0)
    max_tokens = serializers.IntegerField(
        min_value=1, max_value=MOST_TOKENS, required=False, default=None, allow_null=True
    )
    revision = serializers.CharField(max_length=20, required=False, default=LIVE)


class ExplainPrice(serializers.Serializer):
    """USD per million tokens; null is unknown."""

    input = serializers.CharField(allow_null=True)
    cached_input = serializers.CharField(allow_null=True)
    output = serializers.CharField(allow_null=True)


class ExplainOpinion(serializers.Serializer):
    """What one or more workers think of a deployment right now."""

    workers = serializers.CharField()
    state = serializers.CharField()
    sentence = serializers.CharField()


class ExplainPlace(serializers.Serializer):
    """A deployment to try. `skip` is the reason word when every worker would pass it by right now."""

    deployment = serializers.CharField()
    provider = serializers.CharField()
    tier = serializers.CharField()
    model = serializers.CharField()
    price = ExplainPrice(allow_null=True)
    skip = serializers.CharField(allow_null=True)
    workers = ExplainOpinion(many=True)


class ExplainLeftOut(serializers.Serializer):
    """A deployment that may not answer, and why."""

    deployment = serializers.CharField()
    provider = serializers.CharField()
    tier = serializers.CharField()
    model = serializers.CharField()
    reason = serializers.CharField()
    sentence = serializers.CharField()


class ExplainAnswer(serializers.Serializer):
    """The whole order and all that is left out. `refused` says why the query cannot be planned, else null."""

    model = serializers.CharField()
    alias = serializers.CharField(allow_null=True)
    policy = serializers.CharField(allow_null=True)
    revision = serializers.IntegerField(allow_null=True, help_text="null is the draft")
    ordered = ExplainPlace(many=True)
    rejected = ExplainLeftOut(many=True)
    refused = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    notes = serializers.ListField(child=serializers.CharField())


class Explain(APIView):
    """Why there?"""

    permission_classes = [IsOperator]

    @extend_schema(request=ExplainQuestion, responses=ExplainAnswer)
    def post(self, request: Request) -> Response:
        """What would be tried, in which order, and the reason for each deployment left out. Nothing is called."""
        wanted = read_body(request, ExplainQuestion)
        texts = {name: wanted[name] or "" for name in ("policy", "provider", "key")}
        question = Question(**{**wanted, **texts, "needs": frozenset(wanted["needs"])})
        try:
            return Response(as_json(explain(question)))
        except KeyMissing as problem:
            raise BadRequest(f"key: {problem}", code="key_not_found", param="key") from None
        except CatalogueMissing as problem:
            raise BadRequest(f"revision: {problem}", code="revision_not_found", param="revision") from None


def as_json(found: Explanation) -> dict[str, Any]:
    """The answer as JSON has it; also what `manage.py explain --json` prints."""
    return {
        "model": found.question.model,
        "alias": found.alias or None,
        "policy": found.policy or None,
        "revision": found.catalogue.number,
        "ordered": [placed(place) for place in found.ordered],
        "rejected": [left_out(one) for one in found.rejected],
        "refused": found.refused or None,
        "code": found.code or None,
        "notes": list(found.notes),
    }


def placed(place: Place) -> dict[str, Any]:
    """A deployment to try."""
    told = [
        {"workers": one.workers or "the worker", "state": one.name.lower(), "sentence": one.story}
        for one in place.opinions
    ]
    return {**named(place), "price": priced(place.price), "skip": place.skip or None, "workers": told}


def left_out(one: LeftOut) -> dict[str, Any]:
    """A deployment that may not answer."""
    return {**named(one), "reason": one.reason, "sentence": one.sentence}


def named(one: Place | LeftOut) -> dict[str, str]:
    """What a deployment is called everywhere."""
    deployment = one.deployment
    return {
        "deployment": deployment.slug,
        "provider": deployment.provider.slug,
        "tier": deployment.tier.slug,
        "model": deployment.model,
    }


def priced(price: Price | None) -> dict[str, str | None] | None:
    """The price in force, None where none is."""
    if price is None:
        return None
    amounts = {"input": price.input, "cached_input": price.cached_input, "output": price.output}
    return {name: None if amount is None else format(amount, "f") for name, amount in amounts.items()}
