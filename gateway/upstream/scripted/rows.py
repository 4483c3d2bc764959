"""Which scenario plays which row of the fault matrix, wherever it is the upstream that causes the fault."""

from inspect import getdoc

from gateway.upstream.scripted.scenarios import cast, scenario_names
from gateway.upstream.scripted.scenarios.registry import scenario_of, settings_of

# Row → model names that play it. Rows that no upstream causes by what it says are missing: who refuses a connection,
# hangs in a resolver or shows a bad certificate has not been spoken to.
ROWS: dict[str, tuple[str, ...]] = {
    "U05": ("silence", "silence:head=1"),
    "U06": ("drip_headers",),
    "U07": ("drip_body",),
    "U08": ("status:code=429,retry_after=7", "status:code=429,retry_after=date%2B7"),
    "U09": (
        "status:code=429,retry_after=99999",
        "status:code=429,retry_after=-1",
        "status:code=429,retry_after=abc",
        "status:code=429,retry_after=date-60",
        "status:code=429,retry_after=7|9",
    ),
    "U10": ("status:code=429",),
    "U11": ("insufficient_quota",),
    "U12": ("status:code=500",),
    "U13": ("html:code=502", "html:code=503", "html:code=504"),
    "U14": ("status:code=529", "status:code=520", "status:code=527"),
    "U15": ("unauthorized", "status:code=403"),
    "U16": ("status:code=402",),
    "U17": ("status:code=400",),
    "U18": ("tools_unsupported", "unsupported:what=temperature", "unsupported:what=response_format"),
    "U19": ("status:code=404",),
    "U20": ("context_length",),
    "U21": ("content_filter", "content_filter:how=finish", "content_filter:how=empty"),
    "U22": ("status:code=408", "status:code=409", "status:code=425"),
    "U23": ("redirect:code=301", "redirect:code=302", "redirect:code=307"),
    "U24": ("wrong_length", "wrong_length:keep=60"),
    "U25": ("bad_json",),
    "U26": ("empty_body",),
    "U27": ("html",),
    "U28": ("wrong_type",),
    "U29": ("error_in_200", "error_in_200:code=500"),
    "U30": ("no_choices", "no_choices:how=empty", "null_content"),
    "U31": ("gzip", "packed:how=deflate", "packed:how=bare", "packed:how=br", "packed:how=zstd"),
    "U32": ("gzip:broken=1", "packed:cut=1", "gzip_bomb"),
    "U33": ("bad_chunk", "bad_chunk:size=-5", "trailers"),
    "U34": ("big_body",),
    "U35": ("loud_headers", "loud_headers:kb=1024", "loud_headers:split=1"),
    "U36": ("no_done",),
    "U37": ("no_finish", "cut:how=fin"),
    "U38": ("cut",),
    "U39": ("split", "split:size=7"),
    "U40": ("error_first",),
    "U41": ("error_after",),
    "U42": ("comments", "comments:every=1,lead=1000", "murmur"),
    "U43": ("big_event:mb=2", "big_event:mb=20"),
    "U44": ("stall",),
    "U45": ("role_twice", "role_never"),
    "U46": ("ok", "usage_never", "usage_twice", "usage_early"),
    "U47": ("empty_sse", "only_done"),
    "U48": ("json_for_stream", "html"),
    "U49": ("sse_for_json",),
    "U50": ("not_json_event",),
    "U51": ("crlf", "dialect:eol=cr,bom=1,space=0,multiline=1,fields=1"),
    "U52": ("after_done", "after_finish"),
    "U53": ("id_change",),
    "U54": (
        "odd_tools:odd=arguments",
        "odd_tools:odd=id",
        "odd_tools:odd=index",
        "tools_at_zero",
    ),
    "U55": ("endless", "endless:kb=64"),
    "U56": ("no_finish:only=1",),
    "U57": ("stale",),
    "U59": ("slow:first=10,chunk=0.4",),
    "U60": ("flaky",),
    "U61": ("status:code=503",),
    "U62": ("fails:count=100",),
    "U63": ("hostile_error", "hostile_error:after=2", "unauthorized"),
}


def summary_of(name: str) -> str:
    """What a scenario does, in one line."""
    return (getdoc(scenario_of(name)) or "").partition("\n")[0]


def describe_rows() -> list[str]:
    """One line for each row of the matrix and each model name that plays it."""
    plays = [(row, model) for row, models in ROWS.items() for model in models]
    width = max(len(model) for _, model in plays)
    return [f"{row}  {model:<{width}}  {summary_of(cast(model).name)}" for row, model in plays]


def describe_all() -> list[str]:
    """One line for each scenario: its name with the defaults of its settings, the rows it plays, what it does."""
    lines = []
    for name in scenario_names():
        settings = ",".join(f"{key}={value}" for key, value in settings_of(scenario_of(name)).items())
        rows = " ".join(
            row for row, models in ROWS.items() if any(cast(each).name == name for each in models)
        )
        lines.append(
            f"{name}{':' if settings else ''}{settings}{f'  [{rows}]' if rows else ''}  {summary_of(name)}"
        )
    return lines
