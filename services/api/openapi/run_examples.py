"""Examples for runs and jobs; see `examples`."""

from typing import Any

from services.api.jobs.schemas import Job, JobPage, JobUpdate, NewJob
from services.api.runs.schemas import NewRun, Run, RunLine, RunLog, RunPage

_AT = "2026-01-31T09:30:00.000Z"
_LATER = "2026-01-31T09:30:04.120Z"
_APP_ID = "app_019c13f1d3a37a8b9cadbecfd0e1f203"
_ID = "run_019c13f1d3a07c5e9d3a6c0b5f1e2d3c"
_BASE = f"/api/v1/apps/{_APP_ID}/runs/{_ID}"

_run = Run(
    id=_ID,
    app_id=_APP_ID,
    command=["python", "manage.py", "migrate"],
    status="succeeded",
    exit_code=0,
    trigger="api",
    job_id=None,
    actor="key:ci",
    release=3,
    timeout_seconds=3600,
    failure=None,
    created_at=_AT,
    started_at=_AT,
    finished_at=_LATER,
    cancel_requested_at=None,
    links={"self": _BASE, "logs": f"{_BASE}/logs", "app": f"/api/v1/apps/{_APP_ID}"},
)

_job = Job(
    id="job_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    app_id=_APP_ID,
    name="nightly report",
    schedule="30 4 * * 1-5",
    time_zone="Europe/Berlin",
    command=["python", "manage.py", "report"],
    timeout_seconds=3600,
    allow_overlap=False,
    enabled=True,
    next_at="2026-02-02T03:30:00.000Z",
    last_run=None,
    skipped=0,
    last_skipped_at=None,
    created_at=_AT,
    updated_at=_AT,
    links={
        "self": f"/api/v1/apps/{_APP_ID}/jobs/job_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
        "runs": f"/api/v1/apps/{_APP_ID}/runs?job_id=job_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
        "app": f"/api/v1/apps/{_APP_ID}",
    },
)

INSTANCES: tuple[Any, ...] = (
    _run,
    RunPage(items=[_run]),
    NewRun(command="python manage.py migrate"),
    RunLog(items=[RunLine(at=_AT, stream="stdout", message="Applying 0002_users... OK")], truncated=False, ended=True),
    _job,
    JobPage(items=[_job]),
    NewJob(name="nightly report", schedule="30 4 * * 1-5", time_zone="Europe/Berlin", command="python manage.py report"),
    JobUpdate(enabled=False),
)
