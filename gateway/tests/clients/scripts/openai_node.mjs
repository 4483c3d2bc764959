// openai-node: chat completions and the Responses API.

import OpenAI from "openai";
import {
  ASKING, BROKEN, FUNCTION, HELLO, KEY, OK, PIXEL, RESULT, UNKNOWN, URL, all, errorOf, printCases,
} from "./cases.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
const chat = client.chat.completions;
const tools = [{ type: "function", function: FUNCTION }];
const flatTools = [{ type: "function", strict: false, ...FUNCTION }];
const ask = (fields) => client.responses.create({ model: OK, input: "hello there", ...fields });

await printCases({
  async models() {
    return { names: (await all(client.models.list())).map((model) => model.id) };
  },
  async json_answer() {
    const answer = await chat.create({ model: OK, messages: HELLO });
    const choice = answer.choices[0];
    return { text: choice.message.content, finish: choice.finish_reason, usage: answer.usage };
  },
  async stream() {
    const options = { stream: true, stream_options: { include_usage: true } };
    const chunks = await all(await chat.create({ model: OK, messages: HELLO, ...options }));
    const choices = chunks.flatMap((chunk) => chunk.choices);
    return {
      text: choices.map((choice) => choice.delta.content ?? "").join(""),
      finish: choices.map((choice) => choice.finish_reason).filter(Boolean),
      usage: chunks.at(-1).usage,
    };
  },
  async tools() {
    const asked = (await chat.create({ model: OK, messages: ASKING, tools })).choices[0];
    const call = asked.message.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: RESULT };
    const answer = await chat.create({ model: OK, messages: [...ASKING, asked.message, result], tools });
    return {
      finish: asked.finish_reason,
      called: call.function.name,
      arguments: call.function.arguments,
      text: answer.choices[0].message.content,
    };
  },
  async streamed_tools() {
    const done = await chat.stream({ model: OK, messages: ASKING, tools }).finalChatCompletion();
    const call = done.choices[0].message.tool_calls[0];
    return { called: call.function.name, arguments: call.function.arguments };
  },
  async image() {
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } };
    const content = [{ type: "text", text: "look" }, picture];
    const answer = await chat.create({ model: OK, messages: [{ role: "user", content }] });
    return { text: answer.choices[0].message.content };
  },
  unknown_model: () => errorOf(() => chat.create({ model: UNKNOWN, messages: HELLO })),
  broken_stream: () =>
    errorOf(async () => all(await chat.create({ model: BROKEN, messages: HELLO, stream: true }))),
  async responses_json() {
    const answer = await ask({});
    return { text: answer.output_text, status: answer.status, usage: answer.usage };
  },
  async responses_stream() {
    const events = await all(await ask({ stream: true }));
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    return {
      text: deltas.map((event) => event.delta).join(""),
      last: events.at(-1).type,
      ends: events.filter((event) => event.type === "response.completed").length,
    };
  },
  async responses_tools() {
    const asked = await ask({ input: ASKING, tools: flatTools });
    const call = asked.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: RESULT };
    const answer = await ask({ input: [...ASKING, ...asked.output, result], tools: flatTools });
    return { called: call.name, arguments: call.arguments, text: answer.output_text };
  },
  responses_unknown_model: () => errorOf(() => ask({ model: UNKNOWN })),
  responses_broken_stream: () => errorOf(async () => all(await ask({ model: BROKEN, stream: true }))),
});
