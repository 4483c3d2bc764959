// Vercel's AI SDK through three of its doors: OpenAI chat, OpenAI responses (its default), Anthropic messages.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, jsonSchema, streamText, tool } from "ai";
import {
  BROKEN, FUNCTION, KEY, OK, PIXEL, REASONING, RESULT, UNKNOWN, URL, all, errorOf, printCases,
} from "./cases.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const openai = createOpenAI({ baseURL: `${URL}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${URL}/v1`, apiKey: KEY });
const doors = { chat: openai.chat, responses: openai.responses, messages: anthropic };
const stateless = { openai: { store: false } };
const weather = tool({
  description: FUNCTION.description,
  inputSchema: jsonSchema(FUNCTION.parameters),
  execute: async () => RESULT,
});
const settings = (model, more) => ({ model, maxRetries: 0, prompt: "hello there", ...more });
const looping = (model, providerOptions) =>
  generateText(
    settings(model, {
      prompt: "Call get_weather for me.",
      tools: { get_weather: weather },
      stopWhen: isStepCount(3),
      providerOptions,
    }),
  );

// A stream's parts; throws what the stream reports as an error, as its readers do.
async function parts(model) {
  const found = await all(streamText(settings(model, { onError: () => {} })).fullStream);
  const failed = found.find((part) => part.type === "error");
  if (failed) throw failed.error;
  return found;
}

function casesOf(name, door) {
  return {
    async [`${name}_json`]() {
      const answer = await generateText(settings(door(OK)));
      return { text: answer.text, finish: answer.finishReason, usage: answer.usage };
    },
    async [`${name}_stream`]() {
      const found = await parts(door(OK));
      const ends = found.filter((part) => part.type === "finish");
      return {
        text: found.filter((part) => part.type === "text-delta").map((part) => part.text).join(""),
        finish: ends.map((part) => part.finishReason),
        usage: ends[0].totalUsage,
      };
    },
    async [`${name}_tools`]() {
      const answer = await looping(door(OK), stateless);
      const called = answer.steps[0].toolCalls[0];
      return { called: called.toolName, arguments: called.input, text: answer.text, steps: answer.steps.length };
    },
    async [`${name}_image`]() {
      const image = { type: "image", image: `data:image/png;base64,${PIXEL}` };
      const messages = [{ role: "user", content: [{ type: "text", text: "look" }, image] }];
      return { text: (await generateText({ model: door(OK), maxRetries: 0, messages })).text };
    },
    [`${name}_unknown_model`]: () => errorOf(() => generateText(settings(door(UNKNOWN)))),
    async [`${name}_broken_stream`]() {
      const told = await parts(door(BROKEN)).catch((error) => error);
      if (told instanceof Error) return errorOf(() => Promise.reject(told));
      return { finish: told.filter((part) => part.type === "finish").map((part) => part.rawFinishReason) };
    },
  };
}

await printCases({
  ...Object.assign({}, ...Object.entries(doors).map(([name, door]) => casesOf(name, door))),
  async stateless_reasoning() {
    const answer = await looping(openai.responses(REASONING), stateless);
    return { text: answer.text, steps: answer.steps.length, thought: answer.steps[0].reasoningText };
  },
  stored_reasoning: () => errorOf(() => looping(openai.responses(REASONING), {})),
});
