"""What the built-in demonstration upstream says to somebody who has just started RainyModel."""

QUOTED = 300

ANSWER = """\
Hello! You have reached "demo", the demonstration upstream that is built into RainyModel. Your request took \
the real way through the gateway: the key was checked, a route was chosen, an upstream answered. The one \
thing missing is a language model: none wrote these words. The demo answers when no other provider can, and \
most likely none is configured yet.

{quote}

To talk to a real model, stop the server and start it again with a provider's key, for example:

    OPENAI_API_KEY=sk-... make run

HF_TOKEN, DEEPSEEK_API_KEY, XAI_API_KEY and OPENROUTER_API_KEY work the same way, and the file .env.example \
lists every setting. An Ollama on this machine (localhost:11434) needs no key.

To see how a route is chosen, open the admin link that `make run` printed: models and the order in which \
they are tried are rows there, and a change is in use within a second. The response header \
x-rainymodel-upstream names who answered; right now it says "demo".
"""


def demo_answer(words: str) -> str:
    """The introduction, with the user's own words in it."""
    words = " ".join(words.split())
    shortened = words if len(words) <= QUOTED else words[: QUOTED - 1].rstrip() + "…"
    quote = f"You wrote: “{shortened}”" if words else "Your message had no text in it."
    return ANSWER.replace("{quote}", quote)
