// Times are written in UTC. Pointing at one tells it in the viewer's zone; one with data-local is shown in it.
"use strict";

(() => {
  const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  function tell(root) {
    root.querySelectorAll("time[datetime]:not([data-told])").forEach((time) => {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) return;
      time.dataset.told = "";
      time.title = whole.format(moment);
      if ("local" in time.dataset) time.textContent = whole.format(moment);
    });
  }

  document.addEventListener("DOMContentLoaded", () => tell(document));
  document.addEventListener("htmx:afterSettle", () => tell(document));
})();
