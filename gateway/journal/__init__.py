"""What a worker admitted and finished, in files that outlive the worker (docs/decisions/0018).

A directory per worker, locked while the worker lives, holds segments: files of a fixed size, mapped into memory and
appended to without a system call. What is in them survives the death of the process at any instant, though not the
loss of the disk. A segment goes when everything in it is in the database; what a dead worker left, another one writes.

segment    one file of records            journal    a living worker's segments, and what they may take in all
records    what the records say           leftover   a dead worker's segments, read back
tally      requests counted by the minute
"""
