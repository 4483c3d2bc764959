"""`{{ text|visible }}`: for every text on a page that a client or an upstream chose."""

from django import template

from accounts.text import visible as visible_lines
from gateway.visible import visible_line

register = template.Library()
register.filter("visible", visible_line)
register.filter("visible_lines", visible_lines)
