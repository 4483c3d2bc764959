"""What the scripted upstream says to the scripts, whatever client asked; and what is told of errors."""

ECHO = "You said: hello there"
PICTURE = "I received 1 image. You said: look"
AFTER_THE_TOOL = "The tool answered: It rains."
CALL = {"called": "get_weather", "arguments": '{"city":"rain"}'}
CALL_AS_OBJECT = {"called": "get_weather", "arguments": {"city": "rain"}}
USAGE = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
UNKNOWN_MODEL = "The model 'no-such-model' does not exist here."
BROKE_OFF = "The upstream broke off in the middle of the answer."

Told = dict[str, dict[str, object]]
