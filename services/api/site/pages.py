"""The two pages for people: what this is, and the API reference."""

from html import escape

from services.api.settings import Settings

_HOME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dockup</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:4rem auto;padding:0 1rem;color:#1d2733}}
code,pre{{background:#eef1f4;border-radius:4px}}code{{padding:.1em .35em}}pre{{padding:1rem;overflow-x:auto}}pre code{{padding:0}}</style>
<h1>Dockup</h1>
<p>This server deploys containers and serves each at <code>{app_url}</code>. Everything is done through an HTTP API.</p>
<ul>
<li><a href="/docs">API reference</a>, to read and to try</li>
<li><a href="/llms.txt">llms.txt</a>, the short introduction for agents</li>
<li><a href="/api/v1/openapi.json">OpenAPI document</a></li>
<li><a href="/api/v1/system/status">Status of this server</a></li>
</ul>
<p>From nothing to a live address in one call; the key is in <code>credentials.json</code> in the server's state folder:</p>
<pre><code>curl -X POST "{url}/api/v1/deploy/demo?wait=60" \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{{"create": true, "project": "My Project", "image": "nginx:alpine", "internal_port": 80}}'</code></pre>
</html>
"""

DOCS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dockup API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""

START = """SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


def home(settings: Settings) -> str:
    return _HOME.format(url=escape(settings.url), app_url=escape(settings.app_url("{slug}")))
