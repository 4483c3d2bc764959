// The console's lists: how many are chosen, all of them at once, a filter by name, and a test made again.
"use strict";

function boxesOf(form) {
  return [...form.querySelectorAll('tbody input[type="checkbox"]')];
}

function tell(form) {
  const button = form.querySelector("[data-count]");
  if (!button) return;
  const all = boxesOf(form);
  const count = all.filter((box) => box.checked).length;
  const [one, many] = button.dataset.count.split("|");
  button.textContent = (count === 1 ? one : many).replace("#", String(count));
  button.disabled = count === 0;
  const choose = form.querySelector("[data-choose]");
  if (choose) choose.textContent = shownOf(form).every((box) => box.checked) ? "Choose none" : "Choose all";
}

// Filtered-out models keep their check marks; "Choose all" means those that are shown.
function shownOf(form) {
  return boxesOf(form).filter((box) => !box.closest("tr").hidden);
}

function filter(field) {
  const form = field.closest("form");
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  boxesOf(form).forEach((box) => {
    const name = box.value.toLowerCase();
    box.closest("tr").hidden = !words.every((word) => name.includes(word));
  });
  const shown = shownOf(form).length;
  form.querySelector("[data-shown]").textContent = words.length ? `${shown} of ${boxesOf(form).length} shown` : "";
  tell(form);
}

function tellAll() {
  document.querySelectorAll(".console form").forEach(tell);
  document.querySelectorAll(".console .filter").forEach((label) => { label.hidden = false; });
}

document.addEventListener("change", (event) => {
  const form = event.target.closest(".console form");
  if (form) tell(form);
});

document.addEventListener("input", (event) => {
  if (event.target.matches(".console [data-filter]")) filter(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".console [data-filter]")) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const choose = event.target.closest(".console [data-choose]");
  if (choose) {
    const form = choose.closest("form");
    const boxes = shownOf(form);
    const wanted = boxes.some((box) => !box.checked);
    boxes.forEach((box) => { box.checked = wanted; });
    tell(form);
  }
  const again = event.target.closest(".console [data-again]");
  if (again) {
    again.disabled = true;
    again.textContent = "asking …";
    window.htmx.trigger(again.closest("tr"), "again");
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "found") event.target.setAttribute("aria-busy", "false");
  tellAll();
});
document.addEventListener("DOMContentLoaded", tellAll);
if (document.readyState !== "loading") tellAll();
