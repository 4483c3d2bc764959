"""Alerts: rules that operators write are looked at by one worker at a time, and each trouble is told once.

judging    counts and quiet hours against a rule, pure      troubles   what a rule finds now
firing     what to tell, from what was known, pure          looking    one look at all rules
sending    one message to one channel                       outbox     what is due, with back-off
job        the worker's job that does both                  admin      the pages
"""
