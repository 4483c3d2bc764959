"""The dialects that clients speak: how each asks, how an answer looks in it, how it says that something failed.

An upstream that speaks the client's dialect itself is relayed; any other is asked as a chat completion, and its answer
is said again in the client's dialect.
"""
