"""LangChain's ChatOpenAI, over chat completions and over the Responses API, and its embeddings."""

from cases import (
    ASKING,
    BROKEN,
    FUNCTION,
    KEY,
    OK,
    PIXEL,
    RESULT,
    SCHEMA,
    UNKNOWN,
    URL,
    error_of,
    print_cases,
)
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

WHERE = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}


def model(name=OK, **fields):
    return ChatOpenAI(model=name, **WHERE, **fields)


def json_answer():
    answer = model().invoke("hello there")
    finish = answer.response_metadata["finish_reason"]
    return {"text": answer.text, "finish": finish, "usage": answer.usage_metadata}


def stream():
    chunks = list(model(stream_usage=True).stream("hello there"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    finishes = [chunk.response_metadata.get("finish_reason") for chunk in chunks]
    return {"text": whole.text, "finish": [f for f in finishes if f], "usage": whole.usage_metadata}


def round_trip(chat):
    bound = chat.bind_tools([{"type": "function", "function": FUNCTION}])
    question = HumanMessage(ASKING[0]["content"])
    asked = bound.invoke([question])
    call = asked.tool_calls[0]
    answer = bound.invoke([question, asked, ToolMessage(RESULT, tool_call_id=call["id"])])
    return {"called": call["name"], "arguments": call["args"], "text": answer.text}


def tools():
    return round_trip(model())


def structured():
    schema = {"title": "Place", "description": "A place.", **SCHEMA}
    return {"city": model().with_structured_output(schema, method="json_schema").invoke("where?")["city"]}


def image():
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    return {"text": model().invoke([HumanMessage([{"type": "text", "text": "look"}, picture])]).text}


def embeddings():
    embedder = OpenAIEmbeddings(model="embedder", check_embedding_ctx_length=False, **WHERE)
    return {"lengths": [len(vector) for vector in embedder.embed_documents(["one", "two"])]}


def unknown_model():
    return error_of(lambda: model(UNKNOWN).invoke("hello there"))


def broken_stream():
    return error_of(lambda: list(model(BROKEN).stream("hello there")))


def responses_json():
    return {"text": model(use_responses_api=True).invoke("hello there").text}


def responses_stream():
    return {"text": "".join(chunk.text for chunk in model(use_responses_api=True).stream("hello there"))}


def responses_tools():
    return round_trip(model(use_responses_api=True))


print_cases(
    json_answer,
    stream,
    tools,
    structured,
    image,
    embeddings,
    unknown_model,
    broken_stream,
    responses_json,
    responses_stream,
    responses_tools,
)
