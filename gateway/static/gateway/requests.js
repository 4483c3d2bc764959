// The list of requests: new ones appear at the top while "Live" is on and somebody looks. And the button that copies.
"use strict";

const MOST_ROWS = 200;

// htmx asks this before each look.
function rainyLive() {
  return !document.hidden && document.getElementById("live").checked;
}

function say(text) {
  const said = document.getElementById("tail-said");
  if (said) said.textContent = text;
}

// Looks overlap a little, so that no request is missed: a line that is here already is not put here again.
function onlyNew(fragment) {
  let count = 0;
  fragment.querySelectorAll("tr[id]").forEach((row) => {
    if (document.getElementById(row.id)) row.remove();
    else count += 1;
  });
  return count;
}

function trim(lines) {
  while (lines.rows.length > MOST_ROWS) lines.deleteRow(-1);
}

let seen = 0;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target.id === "lines") seen += onlyNew(event.detail.fragment);
});

document.addEventListener("htmx:oobAfterSwap", (event) => {
  const lines = event.detail.target;
  if (lines.id !== "lines") return;
  trim(lines);
  if (!lines.rows.length) return;
  lines.closest("table").hidden = false;
  document.getElementById("empty")?.remove();
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id !== "tail" && event.detail.target?.id !== "tail") return;
  const tail = document.getElementById("tail");
  if (!event.detail.successful) say("The last look failed; the next one is in two seconds.");
  else if (tail?.dataset.problem) say(tail.dataset.problem);
  else if (tail && "leftOut" in tail.dataset) say("More came than can be shown; some are left out here.");
  else say(seen ? `${seen} new since you began to look.` : "Nothing new yet.");
});

document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("live");
  if (live) {
    live.closest(".tail").hidden = false;
    live.addEventListener("change", () => say(live.checked ? "Looking for new requests …" : "Paused."));
  }
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = !navigator.clipboard;  // browsers have none on plain http
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    });
  });
  // A form in the address bar holds what was chosen, not what was left open.
  document.querySelector(".requests .filters")?.addEventListener("submit", (event) => {
    event.target.querySelectorAll("input, select").forEach((field) => { field.disabled = !field.value; });
  });
});

// Back from a request to the list: the fields work again.
window.addEventListener("pageshow", () => {
  document.querySelectorAll(".requests .filters :disabled").forEach((field) => { field.disabled = false; });
});
