"""How the providers do: what they answered and how fast, how they failed, and who stepped in."""
