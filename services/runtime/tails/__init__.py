"""What apps write, as they write it, for any number of readers.

Each container's log is read once (`follower`), the replicas of an app are merged (`tail`) into one ring of lines (`ring`), and every
reader goes through that at a pace of its own (`reader`). Nothing is read of an app that nobody listens to.
"""
