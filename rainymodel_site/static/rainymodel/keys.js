"use strict";
// Buttons with data-copy="id" copy that element's text and say so in the live region. Without scripts there are none.
const told = document.getElementById("copied");
const say = (text) => { told.textContent = ""; requestAnimationFrame(() => { told.textContent = text; }); };
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    say(copied ? button.dataset.told : "Selected: press Ctrl+C.");
    button.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = label; }, 2500);
  });
}
