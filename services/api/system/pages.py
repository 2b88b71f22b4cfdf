"""The catalogue of codes as a page for people: what `type` in an error points to."""

from html import escape

from services.api.http.catalogue import Code

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{code} · Dockup</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color:#1d2733}}
code{{background:#eef1f4;padding:.1em .35em;border-radius:4px}}dt{{font-weight:600}}dd{{margin:0 0 .8rem}}</style>
<h1><code>{code}</code></h1>
<p>{title}.</p>
<dl><dt>What to do next</dt><dd>{hint}</dd><dt>HTTP status</dt><dd>{status}</dd>
<dt>May the same request succeed later?</dt><dd>{retry}</dd></dl>
<p><a href="/api/v1/errors">All codes</a> · <a href="/docs">API reference</a></p>
</html>
"""


def code_page(entry: Code) -> str:
    return _PAGE.format(
        code=escape(entry.code),
        title=escape(entry.title),
        hint=escape(entry.hint),
        status=" or ".join(map(str, entry.statuses)) or "none: the failure of a deployment",
        retry="Yes" if entry.retryable else "No",
    )
