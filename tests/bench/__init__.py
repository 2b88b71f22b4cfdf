"""Measurements, as ratios within one run. They print figures and write them with the commit; they are no verdicts.

`python -m tests.bench [deploy] [redeploy] [reads] [memory] [death] [sync] [history] [storm] [upload] [--rounds N]`
"""
