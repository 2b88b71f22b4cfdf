"""A short view of many lines: what went wrong first, what repeats once, with exact counts. Pure: the same lines, the same answer."""
