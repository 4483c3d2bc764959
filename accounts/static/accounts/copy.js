"use strict";
// Buttons with data-copy="id" copy that element's text. Without a secure context the text is selected instead.
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      done = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = label; }, 2500);
  });
}
