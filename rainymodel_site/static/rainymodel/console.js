// The console's lists: how many are chosen, all of them at once, and a test made again.
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
  if (choose) choose.textContent = count === all.length ? "Choose none" : "Choose all";
}

function tellAll() {
  document.querySelectorAll(".console form").forEach(tell);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest(".console form");
  if (form) tell(form);
});

document.addEventListener("click", (event) => {
  const choose = event.target.closest(".console [data-choose]");
  if (choose) {
    const form = choose.closest("form");
    const boxes = boxesOf(form);
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
