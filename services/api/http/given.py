"""What Litestar gives a handler, and from where: the ways that it will ask for from version 3 on. A body is a `JSONBody[X]`."""

from litestar.di import NamedDependency
from litestar.params import FromPath

from services.api.core import Core
from services.api.http.principal import Principal

TheCore = NamedDependency[Core]
ThePrincipal = NamedDependency[Principal]
InPath = FromPath[str]
"""A part of the path: an id, a slug, a name."""
