"""The playground's form: checked, and turned into runs."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from django import forms

from rainymodel_site.playground.choices import KeyChoice
from rainymodel_site.playground.runs import Run

LONGEST = 200_000  # characters of a text
MOST_TOKENS = 1_000_000
OWN = "the model’s own"
SAME = "the same"


class PlaygroundForm(forms.Form):
    """What to ask, of which model, in the name of which key; and what to compare it with."""

    key = forms.ChoiceField(
        label="API key", help_text="The request runs under its limits and is logged with it."
    )
    model = forms.CharField(max_length=120, initial="rainymodel/auto")
    policy = forms.ChoiceField(required=False)
    second_model = forms.CharField(label="Compare with model", max_length=120, required=False)
    second_policy = forms.ChoiceField(label="Compare with policy", required=False)
    system = forms.CharField(
        label="System text", required=False, max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 2})
    )
    text = forms.CharField(
        label="Your text",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": "Write what to ask."},
    )
    tools = forms.CharField(
        label="Tools (JSON)",
        required=False,
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="A list, as in the field “tools” of a chat completion. The model is offered them; nothing runs them.",
    )
    max_tokens = forms.IntegerField(
        label="Tokens at most",
        required=False,
        min_value=1,
        max_value=MOST_TOKENS,
        help_text="Empty: the model’s own.",
    )
    stream = forms.BooleanField(label="Show the answer as it comes", required=False, initial=True)

    def __init__(self, *args: Any, keys: Sequence[KeyChoice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = {key.id: key for key in keys}
        policies = sorted({name for key in keys for name in key.policies})
        self.fields["key"].choices = [(key.id, key.label) for key in keys]  # type: ignore[attr-defined]
        for name, empty in (("policy", OWN), ("second_policy", SAME)):
            self.fields[name].choices = [("", empty), *((each, each) for each in policies)]  # type: ignore[attr-defined]
        for name in ("model", "second_model"):
            self.fields[name].widget.attrs.update(
                {"list": "models", "autocomplete": "off", "spellcheck": "false"}
            )

    def clean_tools(self) -> list[dict[str, Any]]:
        """The tools as JSON; none for an empty text."""
        text = self.cleaned_data["tools"]
        if not text.strip():
            return []
        try:
            tools = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = (
                f" (line {error.lineno}, column {error.colno})"
                if isinstance(error, json.JSONDecodeError)
                else ""
            )
            raise forms.ValidationError(f"This is not valid JSON{where}.") from None
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            raise forms.ValidationError('Give a list of objects: [{"type": "function", "function": {…}}].')
        try:
            orjson.dumps(tools)
        except TypeError:
            raise forms.ValidationError("This holds a number or a text that JSON cannot carry.") from None
        return tools

    @property
    def compares(self) -> bool:
        """Whether two answers are asked for."""
        return bool(self.cleaned_data["second_model"] or self.cleaned_data["second_policy"])

    def runs(self, owner_id: str, *, stream: bool) -> list[Run]:
        """One run, or the two to compare, of a valid form."""
        asked = self.cleaned_data
        sides = [(asked["model"], asked["policy"])]
        if self.compares:
            sides.append((asked["second_model"] or asked["model"], asked["second_policy"] or asked["policy"]))
        kid = self.keys[asked["key"]].kid
        return [Run(kid, owner_id, policy, self.body(model, stream=stream)) for model, policy in sides]

    def body(self, model: str, *, stream: bool) -> bytes:
        """The chat completion to ask for."""
        asked = self.cleaned_data
        messages = [{"role": "system", "content": asked["system"]}] if asked["system"] else []
        messages.append({"role": "user", "content": asked["text"]})
        more = {name: asked[name] for name in ("tools", "max_tokens") if asked[name]}
        return orjson.dumps({"model": model, "messages": messages, **more, "stream": stream})
