"""The gateway and Open WebUI as services of this machine: started in the background, kept alive, and stopped."""
