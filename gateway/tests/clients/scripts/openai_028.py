"""openai-python 0.28, with its module-wide settings."""

import openai
from cases import ASKING, BROKEN, FUNCTION, HELLO, KEY, OK, RESULT, UNKNOWN, URL, error_of, print_cases

openai.api_base = f"{URL}/v1"
openai.api_key = KEY


def models():
    return {"names": [model["id"] for model in openai.Model.list()["data"]]}


def json_answer():
    answer = openai.ChatCompletion.create(model=OK, messages=HELLO)
    choice = answer["choices"][0]
    return {
        "text": choice["message"]["content"],
        "finish": choice["finish_reason"],
        "usage": answer["usage"].to_dict_recursive(),
    }


def stream():
    chunks = list(openai.ChatCompletion.create(model=OK, messages=HELLO, stream=True))
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return {
        "text": "".join(choice["delta"].get("content") or "" for choice in choices),
        "finish": [choice["finish_reason"] for choice in choices if choice["finish_reason"]],
    }


def tools():
    tool = {"type": "function", "function": FUNCTION}
    asked = openai.ChatCompletion.create(model=OK, messages=ASKING, tools=[tool])["choices"][0]
    call = asked["message"]["tool_calls"][0]
    result = {"role": "tool", "tool_call_id": call["id"], "content": RESULT}
    history = [*ASKING, asked["message"].to_dict_recursive(), result]
    answer = openai.ChatCompletion.create(model=OK, messages=history, tools=[tool])
    return {
        "finish": asked["finish_reason"],
        "called": call["function"]["name"],
        "arguments": call["function"]["arguments"],
        "text": answer["choices"][0]["message"]["content"],
    }


def unknown_model():
    return error_of(lambda: openai.ChatCompletion.create(model=UNKNOWN, messages=HELLO))


def broken_stream():
    return error_of(lambda: list(openai.ChatCompletion.create(model=BROKEN, messages=HELLO, stream=True)))


print_cases(models, json_answer, stream, tools, unknown_model, broken_stream)
