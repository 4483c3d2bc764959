"""What the Python scripts share: the environment they get, and the one line of JSON they print.

A script runs in its client's own environment, where nothing of this project can be imported.
"""

import json
import os
import traceback

URL = os.environ["CLIENT_URL"]
KEY = os.environ["CLIENT_KEY"]
FACE = os.environ["CLIENT_FACE"]
OK, BROKEN = f"{FACE}/ok", f"{FACE}/cut:after=3"
UNKNOWN = "no-such-model"
HELLO = [{"role": "user", "content": "hello there"}]
ASKING = [{"role": "user", "content": "Call get_weather for me."}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Says what the weather is.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
RESULT = "It rains."


def error_of(act):
    """What a client raised, by the name of its class; a case fails when it raised nothing."""
    try:
        act()
    except Exception as error:
        return {
            "raised": [kind.__name__ for kind in type(error).__mro__],
            "status": getattr(error, "status_code", None) or getattr(error, "http_status", None),
            "message": str(error),
        }
    raise AssertionError("nothing was raised")


def print_cases(*cases):
    """Run every case and print what each found, by name; a case that fails says how instead."""
    told = {}
    for case in cases:
        try:
            told[case.__name__] = case()
        except Exception:
            told[case.__name__] = {"failed": traceback.format_exc()}
    print(json.dumps(told))
