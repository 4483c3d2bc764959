// Tells the server the viewer's time zone (rainymodel_site/zone.py), from the first page on. Where moments are typed, only
// when the page is left: they are read in the zone that the page was made in.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = `rainymodel_zone=${zone}`;
  if (!zone || document.cookie.split("; ").includes(told)) return;
  const secure = location.protocol === "https:" ? "; secure" : "";
  const tell = () => { document.cookie = `${told}; path=/; max-age=31536000; samesite=lax${secure}`; };
  const typed = document.querySelector("input[type=datetime-local], input.vDateField, input.vTimeField");
  if (typed) window.addEventListener("pagehide", tell);
  else tell();
});
