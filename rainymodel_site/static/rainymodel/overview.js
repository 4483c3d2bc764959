// Moments below the charts in the viewer's own zone. Runs before the theme draws them, which is when the page has loaded.
for (const canvas of document.querySelectorAll("canvas.chart")) {
  const data = JSON.parse(canvas.dataset.value);
  const times = data.labels.map((label) => new Date(label));
  const days = times.length > 1 && times[1] - times[0] >= 86_400_000;
  const long = times.length > 1 && times.at(-1) - times[0] > 2 * 86_400_000;
  const format = new Intl.DateTimeFormat(undefined, days ? { day: "numeric", month: "short", timeZone: "UTC" }
    : long ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit" });
  data.labels = times.map((time) => format.format(time));
  canvas.dataset.value = JSON.stringify(data);
}
