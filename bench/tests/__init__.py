"""The benchmark's own tests: that it runs and counts right. Nothing here depends on how fast the machine is."""
