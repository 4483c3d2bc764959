// The moment in the viewer's own zone, and the page anew every minute while somebody looks at it.
for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = new Date(time.dateTime).toLocaleTimeString();
}
setInterval(() => { if (!document.hidden) location.reload(); }, 60_000);
