"""Live sessions: bytes between the API and the runtime over the bus.

`dial` opens one from the API's side, `services/runtime/sessions.py` takes it, and both then hold a `Channel`. A session's frames are
core messages on `dockup.live.<session>.in` (to the runtime) and `.out` (to the API). Nothing is kept by the bus: each side grants the
other how much it may send, counts what comes, and ends the session with a word rather than go on with a hole in it.
"""
