"""One form of date and time on every page, to the second and with the zone: 21 Nov 2026 16:15:24 UTC."""

DATE_FORMAT = SHORT_DATE_FORMAT = "d M Y"
TIME_FORMAT = "H:i:s T"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "d M Y H:i:s T"
