// What the JavaScript scripts share: the environment they get, and the one line of JSON they print.

const { CLIENT_URL, CLIENT_KEY, CLIENT_FACE } = process.env;

export const URL = CLIENT_URL;
export const KEY = CLIENT_KEY;
export const OK = `${CLIENT_FACE}/ok`;
export const BROKEN = `${CLIENT_FACE}/cut:after=3`;
export const REASONING = `${CLIENT_FACE}/reasoning`;
export const UNKNOWN = "no-such-model";
export const HELLO = [{ role: "user", content: "hello there" }];
export const ASKING = [{ role: "user", content: "Call get_weather for me." }];
export const RESULT = "It rains.";
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const FUNCTION = {
  name: "get_weather",
  description: "Says what the weather is.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

// Everything an async iterable yields.
export async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

// What a client threw, by the names of its classes; a case fails when nothing was thrown.
export async function errorOf(act) {
  try {
    await act();
  } catch (error) {
    return { raised: kinds(error), status: error.status ?? error.statusCode ?? null, message: String(error) };
  }
  throw new Error("nothing was thrown");
}

function kinds(error) {
  const names = error?.name ? [error.name] : [];
  for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  return names;
}

// Run every case and print what each found, by name; a case that fails says how instead.
export async function printCases(cases) {
  const told = {};
  for (const [name, act] of Object.entries(cases)) {
    try {
      told[name] = await act();
    } catch (error) {
      told[name] = { failed: `${error?.stack ?? error}` };
    }
  }
  console.log(JSON.stringify(told));
}
