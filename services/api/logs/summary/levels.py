"""How serious a line is, by what programs usually write. Pure."""

import re
from enum import StrEnum


class Level(StrEnum):
    """From the most serious one on."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_NAMES = {
    **dict.fromkeys(("error", "err", "fatal", "critical", "crit", "panic", "emerg", "emergency", "alert", "severe"), Level.ERROR),
    **dict.fromkeys(("warn", "warning"), Level.WARNING),
    **dict.fromkeys(("info", "information", "debug", "trace", "notice", "verbose"), Level.INFO),
}
_SAID = re.compile(r"""["']?\b(?:level|lvl|severity|loglevel|levelname)["']?\s*[=:]\s*["']?(\w+)""", re.IGNORECASE)
"""A field of JSON or logfmt; pino writes a number."""
_PINO_WARNING, _PINO_ERROR = 40, 50
_KLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_KLOG_LEVELS = {"I": Level.INFO, "W": Level.WARNING, "E": Level.ERROR, "F": Level.ERROR}
_HEAD = 120
"""Where a line says its level by itself, in characters from its beginning."""
_WORDS = re.compile(r"\b(FATAL|CRITICAL|CRIT|PANIC|SEVERE|ERROR|ERR|WARNING|WARN|INFO|DEBUG|TRACE|NOTICE)\b")
_TAGGED = re.compile(
    r"[\[(<](fatal|critical|crit|panic|severe|error|err|emerg|alert|warning|warn|info|debug|trace|notice)[\])>]", re.IGNORECASE
)
_ERRORS = re.compile(
    r"\b(?:fatal|panic|error|exception|traceback|segmentation fault|core dumped|out of memory|unhandled\w*)\b\s*[:(]"
    r"|^Traceback \(most recent call last\)"
    r"|\b[A-Z]\w*(?:Error|Exception)\b"
    r"|^(?:panic|fatal error|fatal)\b"
    r"|\bsegmentation fault\b|\bout of memory\b",
    re.IGNORECASE,
)
_NO_ERRORS = re.compile(r"\b(?:0|no|without) errors?\b|\berrors?[=:]\s*(?:0|null|none|false)\b", re.IGNORECASE)
_WARNINGS = re.compile(r"\b(?:warning|warn|deprecated)\b\s*[:(]|\b\w*DeprecationWarning\b", re.IGNORECASE)


def level_of(message: str) -> Level:
    """What the line says of itself; else what its words mean. A line on standard error is not an error for that alone."""
    if (said := _SAID.search(message)) and (level := _named(said[1])):
        return level
    if klog := _KLOG.match(message):
        return _KLOG_LEVELS[klog[1]]
    if word := _TAGGED.search(message[:_HEAD]) or _WORDS.search(message[:_HEAD]):
        return _NAMES[word[1].lower()]
    if _ERRORS.search(message) and not _NO_ERRORS.search(message):
        return Level.ERROR
    return Level.WARNING if _WARNINGS.search(message) else Level.INFO


def _named(name: str) -> Level | None:
    if name.isascii() and name.isdecimal():
        number = int(name)
        return Level.ERROR if number >= _PINO_ERROR else Level.WARNING if number >= _PINO_WARNING else Level.INFO
    return _NAMES.get(name.lower())
