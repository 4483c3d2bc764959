"""Whether an upstream has told what was used, read from its own words: litellm makes zeros of what it cannot read."""

from typing import Any

from gateway.usage import count

HOLDERS = ("usage", "usageMetadata")
INPUT_FIGURES = ("input_tokens", "prompt_tokens", "inputTokens", "promptTokenCount", "prompt_eval_count")
OUTPUT_FIGURES = ("output_tokens", "completion_tokens", "outputTokens", "candidatesTokenCount", "eval_count")
# Told only where there is something to tell, and counted in.
FURTHER_INPUT = ("cache_creation_input_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
FURTHER_OUTPUT = ("thoughtsTokenCount",)
INPUT, OUTPUT = "input", "output"


def told_usage(event: dict[str, Any]) -> dict[str, bool]:
    """What an event or a whole body says of `input` and `output`: True for a whole number of tokens, False for what
    is none; a direction that it does not mention is absent.
    """
    message = event.get("message")
    told = directions(message.get("usage")) if isinstance(message, dict) else {}
    told.pop(OUTPUT, None)  # where Anthropic's stream begins, nothing has been written yet
    for holder in (event, *(event.get(name) for name in HOLDERS)):
        told |= directions(holder)
    return told


def is_whole(told: dict[str, bool]) -> bool:
    """Whether both directions have been told."""
    return told.get(INPUT, False) and told.get(OUTPUT, False)


def without_figures(document: dict[str, Any]) -> dict[str, Any]:
    """A JSON answer with figures that say nothing in place of its own, because litellm fails over bad or absent ones.

    What litellm then makes of them must not be believed.
    """
    if document.get("type") == "message":
        return {**document, "usage": {"input_tokens": 0, "output_tokens": 0}}
    if "candidates" in document:
        return {**document, "usageMetadata": {}}
    if "choices" in document:
        return {name: value for name, value in document.items() if name != "usage"}
    return document


def directions(figures: Any) -> dict[str, bool]:
    """What one object of figures says of each direction."""
    if not isinstance(figures, dict):
        return {}
    if isinstance(figures.get("tokens"), dict):  # Cohere counts billed units apart
        figures = figures["tokens"]
    told = {}
    for direction, names, further in (
        (INPUT, INPUT_FIGURES, FURTHER_INPUT),
        (OUTPUT, OUTPUT_FIGURES, FURTHER_OUTPUT),
    ):
        main = [figures[name] for name in names if name in figures]
        more = [figures[name] for name in further if figures.get(name) is not None]
        if main or more:
            told[direction] = all(count(figure) is not None for figure in main + more)
    if OUTPUT not in told and wrote_nothing(figures):
        told[OUTPUT] = True
    return told


def wrote_nothing(figures: dict[str, Any]) -> bool:
    """Gemini leaves out a count that is 0; then the prompt is all there was."""
    prompt = figures.get("promptTokenCount")
    return count(prompt) is not None and figures.get("totalTokenCount") == prompt
