"""How to build a source that has no Dockerfile: what it is, why, and the Dockerfile that a person would have written."""

from services.builder.detect.plan import Plan, Tree, plan

__all__ = ["Plan", "Tree", "plan"]
