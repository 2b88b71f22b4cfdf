"""PHP behind Apache, with Composer where it is used."""

from services.builder.detect.plan import PORT, Bases, Plan, Tree, version

_OURS = "8.4"
_WWW_DATA = "33:33"


def detect(source: Tree, bases: Bases) -> Plan | None:
    sign = source.first("composer.json", "index.php", "public/index.php")
    if not sign:
        return None
    asked = str(source.json("composer.json").get("require", {})) if source.has("composer.json") else ""
    base = bases.image("php", version(asked, r"'php': '[^']*?(8\.\d)", _OURS))
    root = "/var/www/html/public" if source.has("public/index.php") else "/var/www/html"
    composer = [
        "COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer",
        "RUN apt-get update && apt-get install -y --no-install-recommends git unzip && rm -rf /var/lib/apt/lists/*",
        "COPY composer.* ./",
        "RUN --mount=type=cache,target=/root/.composer composer install --no-dev --no-scripts --no-autoloader --no-interaction",
    ]
    lines = [
        f"FROM {base}",
        "WORKDIR /var/www/html",
        f"RUN sed -i 's/80/{PORT}/' /etc/apache2/ports.conf /etc/apache2/sites-available/*.conf \\",
        f" && sed -i 's#/var/www/html#{root}#' /etc/apache2/sites-available/*.conf && a2enmod rewrite",
        *(composer if source.has("composer.json") else []),
        f"COPY --chown={_WWW_DATA} . .",
        *(["RUN composer dump-autoload --optimize --no-dev"] if source.has("composer.json") else []),
        f"USER {_WWW_DATA}",
        f"EXPOSE {PORT}",
    ]
    return Plan(kind="php", reason=f"{sign} is there; Apache serves {root}", dockerfile="\n".join(lines) + "\n")
