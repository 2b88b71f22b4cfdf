"""The async face of docker-py: the only rooms that import docker.

`connect` holds the connection, `spec` says purely what a container is made from, every other room makes naked calls: each
function takes the `Engine` first, does one thing, and raises one of `errors`.
"""
