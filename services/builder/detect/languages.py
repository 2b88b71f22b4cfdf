"""The languages in the order in which they are asked."""

from services.builder.detect import go, node, php, procfile, python, ruby, rust, static
from services.builder.detect.plan import Detect

# A Python site with a package.json for its assets is a Python site; an index.html may belong to any of them.
ALL: tuple[Detect, ...] = (python.detect, go.detect, rust.detect, ruby.detect, php.detect, node.detect, procfile.detect, static.detect)
SIGNS = "requirements.txt, pyproject.toml, go.mod, Cargo.toml, Gemfile, composer.json, package.json, Procfile nor index.html"
