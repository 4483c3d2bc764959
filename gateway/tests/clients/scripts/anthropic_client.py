"""Anthropic's Python SDK: messages whole and streamed, tools, images, counting, errors."""

import anthropic
from cases import ASKING, BROKEN, HELLO, KEY, OK, PIXEL, RESULT, SCHEMA, UNKNOWN, URL, error_of, print_cases

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
TOOL = {"name": "get_weather", "description": "Says what the weather is.", "input_schema": SCHEMA}


def ask(model=OK, messages=HELLO, **fields):
    return client.messages.create(model=model, max_tokens=1000, messages=messages, **fields)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def models():
    return {"names": [model.id for model in client.models.list()]}


def json_answer():
    answer = ask()
    return {"text": text_of(answer), "finish": answer.stop_reason, "usage": answer.usage.to_dict()}


def stream():
    with client.messages.stream(model=OK, max_tokens=1000, messages=HELLO) as events:
        seen = [event.type for event in events]
        whole = events.get_final_message()
    return {
        "text": text_of(whole),
        "finish": whole.stop_reason,
        "stops": seen.count("message_stop"),
        "usage": whole.usage.to_dict(),
    }


def round_trip(asked):
    call = next(block for block in asked.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    history = [
        *ASKING,
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result]},
    ]
    answer = ask(messages=history, tools=[TOOL])
    return {
        "finish": asked.stop_reason,
        "called": call.name,
        "arguments": call.input,
        "text": text_of(answer),
    }


def tools():
    return round_trip(ask(messages=ASKING, tools=[TOOL]))


def streamed_tools():
    with client.messages.stream(model=OK, max_tokens=1000, messages=ASKING, tools=[TOOL]) as events:
        return round_trip(events.get_final_message())


def image():
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "text", "text": "look"}, {"type": "image", "source": source}]
    return {"text": text_of(ask(messages=[{"role": "user", "content": content}]))}


def count():
    counted = client.messages.count_tokens(model=OK, messages=HELLO)
    longer = client.messages.count_tokens(model=OK, messages=HELLO, tools=[TOOL])
    return {"tokens": counted.input_tokens, "with_tools": longer.input_tokens}


def unknown_model():
    return error_of(lambda: ask(UNKNOWN))


def broken_stream():
    return error_of(lambda: list(ask(BROKEN, stream=True)))


def wrong_key():
    stranger = anthropic.Anthropic(base_url=URL, api_key="sk-rm_wrong", max_retries=0)
    return error_of(lambda: stranger.messages.create(model=OK, max_tokens=10, messages=HELLO))


def bad_request():
    return error_of(lambda: ask(extra_body={"temperature": 7}))


print_cases(
    models,
    json_answer,
    stream,
    tools,
    streamed_tools,
    image,
    count,
    unknown_model,
    broken_stream,
    wrong_key,
    bad_request,
)
