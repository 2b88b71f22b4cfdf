"""What two services say to each other: one file an owner, frozen structs, encoded as JSON.

The owner of a message is the service that takes it (commands, queries) or that emits it (events, entries of its buckets).
Unknown fields are ignored when decoding, so that an older service reads what a newer one says.
"""
