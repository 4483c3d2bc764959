"""litellm as a client of the gateway, as OpenHands and aider use it: models named `openai/…`."""

import json
import urllib.request

import litellm  # noqa: TID253
from cases import ASKING, BROKEN, HELLO, KEY, OK, PIXEL, RESULT, TOOL, UNKNOWN, URL, error_of, print_cases

litellm.suppress_debug_info = True


def ask(model, **fields):
    return litellm.completion(
        model=f"openai/{model}", api_base=f"{URL}/v1", api_key=KEY, max_retries=0, num_retries=0, **fields
    )


def models():
    return {"names": litellm.get_valid_models(True, "openai", api_key=KEY, api_base=URL)}


def model_info():
    asked = urllib.request.Request(f"{URL}/v1/model/info", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(asked) as answer:
        listed = {entry["model_name"]: entry["model_info"] for entry in json.load(answer)["data"]}
    litellm.register_model(
        {"openai/rainymodel/auto": {**listed["rainymodel/auto"], "litellm_provider": "openai"}}
    )
    return litellm.get_model_info("openai/rainymodel/auto")


def json_answer():
    answer = ask(OK, messages=HELLO)
    choice = answer.choices[0]
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "usage": answer.usage.model_dump(),
    }


def stream():
    chunks = list(ask(OK, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usage": chunks[-1].usage.model_dump(),
    }


def tools():
    asked = ask(OK, messages=ASKING, tools=[TOOL]).choices[0]
    call = asked.message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    answer = ask(OK, messages=[*ASKING, asked.message.model_dump(), result], tools=[TOOL])
    return {
        "finish": asked.finish_reason,
        "called": call.function.name,
        "arguments": call.function.arguments,
        "text": answer.choices[0].message.content,
    }


def image():
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    content = [{"type": "text", "text": "look"}, picture]
    return {"text": ask(OK, messages=[{"role": "user", "content": content}]).choices[0].message.content}


def unknown_model():
    return error_of(lambda: ask(UNKNOWN, messages=HELLO))


def broken_stream():
    return error_of(lambda: list(ask(BROKEN, messages=HELLO, stream=True)))


print_cases(models, model_info, json_answer, stream, tools, image, unknown_model, broken_stream)
