// The playground: sends the form by fetch, once for each side, and shows the answer while it comes.
"use strict";

const form = document.getElementById("playground");
if (form) begin();

function begin() {
  const known = JSON.parse(document.getElementById("known").textContent);
  const names = JSON.parse(document.getElementById("route").textContent);
  const stop = document.getElementById("stop");
  const send = form.querySelector("button:not([type])");
  let running = null;

  form.querySelector(".needs-script").hidden = false;
  const chooseKey = () => {
    const chosen = known[form.elements.key.value];
    document.getElementById("models").replaceChildren(...chosen.models.map((name) => new Option(name, name)));
    for (const name of ["policy", "second_policy"]) {
      for (const option of form.elements[name].options) {
        option.hidden = option.disabled = option.value !== "" && !chosen.policies.includes(option.value);
      }
    }
  };
  form.elements.key.addEventListener("change", chooseKey);
  chooseKey();
  stop.addEventListener("click", () => running?.abort());

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    send.disabled = true;
    running = new AbortController();
    stop.hidden = false;
    clearErrors();
    document.getElementById("answers").replaceChildren();
    const compares = form.elements.second_model.value.trim() || form.elements.second_policy.value;
    const sides = compares ? ["first", "second"] : ["first"];
    await Promise.all(sides.map((side) => ask(side, sides.length > 1, names, running.signal)));
    running = null;
    stop.hidden = true;
    send.disabled = false;
  });
}

async function ask(side, isOneOfTwo, names, signal) {
  const panel = newPanel(isOneOfTwo ? titleOf(side) : "");
  const body = new URLSearchParams(new FormData(form));
  body.set("side", side);
  try {
    const answer = await fetch(form.action, { method: "POST", body, signal, headers: { Accept: "text/event-stream" } });
    const kind = answer.headers.get("content-type") ?? "";
    if (kind.startsWith("text/html")) return panel.fail("Your session has ended. Load the page again, and sign in.");
    panel.route(answer.headers, names);
    if (!answer.ok) return panel.fail(await problemIn(answer), panel);
    if (kind.startsWith("text/event-stream")) await readStream(answer.body, panel);
    else panel.take((await answer.json()).choices.map((choice) => ({ delta: choice.message, finish_reason: choice.finish_reason })));
    panel.end();
    panel.spent().catch(() => {}); // it is in the log all the same
  } catch (problem) {
    panel.fail(problem.name === "AbortError" ? "Stopped." : `The connection broke: ${problem.message}`);
  }
}

function titleOf(side) {
  const value = (name) => form.elements[name].value.trim();
  const second = side === "second";
  const model = (second && value("second_model")) || value("model");
  const policy = (second && value("second_policy")) || value("policy");
  return policy ? `${model}, ${policy}` : model;
}

async function readStream(stream, panel) {
  const decoder = new TextDecoder();
  let rest = "";
  for (const reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      if (!frame.startsWith("data: ") || frame === "data: [DONE]") continue;
      const chunk = JSON.parse(frame.slice(6));
      if (chunk.error) throw new Error(chunk.error.message);
      panel.take(chunk.choices ?? []);
    }
  }
}

async function problemIn(answer) {
  const told = await answer.json();
  if (!told.errors) return `${answer.status}: ${told.error?.message ?? "nothing was answered"}`;
  for (const [name, texts] of Object.entries(told.errors)) showError(name, texts.join(" "));
  return "The form needs a look: see above.";
}

function showError(name, text) {
  const field = form.elements[name];
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.closest("details")?.setAttribute("open", "");
  if (field.parentElement.querySelector(".errorlist")) return;
  const list = document.createElement("ul");
  list.className = "errorlist";
  list.append(document.createElement("li"));
  list.firstChild.textContent = text;
  field.after(list);
}

function clearErrors() {
  form.querySelectorAll(".errorlist").forEach((list) => list.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
}

function newPanel(title) {
  const panel = document.getElementById("side").content.cloneNode(true).firstElementChild;
  const [told, text, facts] = [".told", ".text", ".facts"].map((selector) => panel.querySelector(selector));
  const reasoning = panel.querySelector(".reasoning");
  const calls = new Map();
  let request = "";
  if (title) {
    const heading = document.createElement("h2");
    heading.textContent = title;
    panel.prepend(heading);
  }
  told.textContent = "Asking…";
  document.getElementById("answers").append(panel);

  const fact = (name, value) => {
    const [line, term, told] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    told.textContent = value;
    line.append(term, told);
    facts.append(line);
  };
  const call = (part, index) => {
    const key = part.index ?? index;
    if (!calls.has(key)) {
      const line = document.createElement("pre");
      line.className = "call";
      line.tabIndex = 0;
      panel.querySelector(".calls").append(line);
      calls.set(key, { line, name: "", arguments: "" });
    }
    const known = calls.get(key);
    known.name += part.function?.name ?? "";
    known.arguments += part.function?.arguments ?? "";
    known.line.textContent = `${known.name}(${known.arguments})`;
  };

  return {
    take(choices) {
      told.textContent = "Answering…";
      for (const { delta } of choices) {
        const thought = delta?.reasoning_content ?? delta?.reasoning;
        if (thought) {
          reasoning.hidden = false;
          reasoning.querySelector("pre").append(thought);
        }
        if (delta?.content) text.append(delta.content);
        (delta?.tool_calls ?? []).forEach(call);
      }
    },
    route(headers, titles) {
      for (const [name, title] of Object.entries(titles)) {
        if (headers.has(name)) fact(title, headers.get(name));
      }
      request = headers.get("x-request-id") ?? "";
      if (!request) return;
      const line = panel.querySelector(":scope > .sub");
      line.hidden = false;
      line.querySelector("a").href = form.dataset.request.replace("ID", request);
      line.querySelector("code").textContent = request;
    },
    end() {
      told.textContent = "Answered.";
    },
    fail(problem) {
      told.textContent = problem;
      told.classList.add("bad");
    },
    // The row of the log is there within a second.
    async spent() {
      for (let tries = 0; request && tries < 8; tries += 1) {
        await new Promise((resume) => setTimeout(resume, 400));
        const answer = await fetch(form.dataset.spent.replace("ID", request));
        if (!answer.ok) continue;
        const used = await answer.json();
        fact("Tokens", used.tokens);
        fact("Cost", used.cost);
        return;
      }
    },
  };
}
