"""Ruby: Bundler; Rails, Rack or a script."""

from services.builder.detect.plan import PORT, USER, Bases, Plan, Tree, array, command, version

_OURS = "3.4"


def detect(source: Tree, bases: Bases) -> Plan | None:
    if not source.has("Gemfile"):
        return None
    asked = f"{source.text('.ruby-version')}\n{source.text('Gemfile')}"
    base = bases.image("ruby", version(asked, r"(?m)^(?:ruby[- ]?[\"']?)?\s*~?>?\s*(3\.\d+)", _OURS))
    start, why = _start(source)
    lines = [
        f"FROM {base} AS build",
        "RUN apt-get update && apt-get install -y --no-install-recommends build-essential git libpq-dev libyaml-dev \\",
        " && rm -rf /var/lib/apt/lists/*",
        "WORKDIR /app",
        "ENV BUNDLE_PATH=/gems BUNDLE_WITHOUT=development:test",
        "COPY Gemfile* ./",
        "RUN bundle install",
        "",
        f"FROM {base}",
        f"ENV BUNDLE_PATH=/gems BUNDLE_WITHOUT=development:test RACK_ENV=production RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 PORT={PORT}",
        "WORKDIR /app",
        "COPY --from=build /gems /gems",
        f"COPY --chown={USER} . .",
        f"USER {USER}",
        f"EXPOSE {PORT}",
        start,
    ]
    return Plan(kind="ruby", reason=f"Gemfile is there; {why}", dockerfile="\n".join(lines) + "\n")


def _start(source: Tree) -> tuple[str, str]:
    if source.web:
        return command(source.web), "the Procfile says how it starts"
    if source.has("bin/rails"):
        return command("bundle exec bin/rails server -b 0.0.0.0 -p $PORT"), "bin/rails makes it Rails"
    if source.has("config.ru"):
        return command("bundle exec rackup -o 0.0.0.0 -p $PORT"), "config.ru makes it Rack"
    script = source.first("app.rb", "main.rb", "server.rb") or "app.rb"
    return f"CMD {array('bundle', 'exec', 'ruby', script)}", f"it starts by {script}"
