"""openai-python 1.x and newer: chat, text completions, embeddings, responses."""

import openai
from cases import (
    ASKING,
    BROKEN,
    FUNCTION,
    HELLO,
    KEY,
    OK,
    PIXEL,
    RESULT,
    TOOL,
    UNKNOWN,
    URL,
    error_of,
    print_cases,
)

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
chat, responses = client.chat.completions, client.responses


def models():
    return {"names": [model.id for model in client.models.list()]}


def json_answer():
    answer = chat.create(model=OK, messages=HELLO)
    choice = answer.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "usage": answer.usage.to_dict()}


def stream():
    chunks = list(chat.create(model=OK, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usage": chunks[-1].usage.to_dict(),
    }


def tools():
    asked = chat.create(model=OK, messages=ASKING, tools=[TOOL]).choices[0]
    call = asked.message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    answer = chat.create(model=OK, messages=[*ASKING, asked.message, result], tools=[TOOL])
    return {
        "finish": asked.finish_reason,
        "called": call.function.name,
        "arguments": call.function.arguments,
        "text": answer.choices[0].message.content,
    }


def streamed_tools():
    with client.chat.completions.stream(model=OK, messages=ASKING, tools=[TOOL]) as events:
        call = events.get_final_completion().choices[0].message.tool_calls[0]
    return {"called": call.function.name, "arguments": call.function.arguments}


def image():
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    content = [{"type": "text", "text": "look"}, picture]
    answer = chat.create(model=OK, messages=[{"role": "user", "content": content}])
    return {"text": answer.choices[0].message.content}


def unknown_model():
    return error_of(lambda: chat.create(model=UNKNOWN, messages=HELLO))


def broken_stream():
    return error_of(lambda: list(chat.create(model=BROKEN, messages=HELLO, stream=True)))


def completions():
    whole = client.completions.create(model=OK, prompt="hello there")
    pieces = list(client.completions.create(model=OK, prompt="hello there", stream=True))
    return {
        "text": whole.choices[0].text,
        "streamed": "".join(choice.text for piece in pieces for choice in piece.choices),
        "usage": whole.usage.to_dict(),
    }


def embeddings():
    found = client.embeddings.create(model="embedder", input=["one", "two"])
    lengths = [len(entry.embedding) for entry in found.data]
    return {"lengths": lengths, "numbers": all(isinstance(n, float) for n in found.data[0].embedding)}


def responses_json():
    answer = responses.create(model=OK, input="hello there")
    return {"text": answer.output_text, "status": answer.status, "usage": answer.usage.to_dict()}


def responses_stream():
    events = list(responses.create(model=OK, input="hello there", stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    ends = [event for event in events if event.type == "response.completed"]
    return {
        "text": "".join(deltas),
        "last": events[-1].type,
        "ends": len(ends),
        "whole": ends[0].response.output_text,
    }


def responses_tools():
    tool = {"type": "function", **FUNCTION}
    asked = responses.create(model=OK, input=ASKING, tools=[tool])
    call = next(item for item in asked.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    answer = responses.create(model=OK, input=[*ASKING, *asked.output, result], tools=[tool])
    return {"called": call.name, "arguments": call.arguments, "text": answer.output_text}


def responses_image():
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    content = [{"type": "input_text", "text": "look"}, picture]
    return {"text": responses.create(model=OK, input=[{"role": "user", "content": content}]).output_text}


def responses_unknown_model():
    return error_of(lambda: responses.create(model=UNKNOWN, input="hello there"))


def responses_broken_stream():
    return error_of(lambda: list(responses.create(model=BROKEN, input="hello there", stream=True)))


def responses_with_memory():
    return error_of(lambda: responses.create(model=OK, input="and then?", previous_response_id="resp_1"))


print_cases(
    models,
    json_answer,
    stream,
    tools,
    streamed_tools,
    image,
    unknown_model,
    broken_stream,
    completions,
    embeddings,
    responses_json,
    responses_stream,
    responses_tools,
    responses_image,
    responses_unknown_model,
    responses_broken_stream,
    responses_with_memory,
)
