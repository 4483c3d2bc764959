"""Changing what serves: reviewing the draft, publishing it now or later, and watching it arrive."""
