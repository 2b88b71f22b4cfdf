"""Entries for runs and jobs; see `operations`."""

from services.api.openapi.operation import Operation
from services.api.runs.schemas import Run

OPERATIONS: dict[str, Operation] = {
    "listRuns": Operation(),
    "createRun": Operation(errors=("nothing_to_run", "quota_exceeded", "app_deleting", "masked_value"), answers={200: Run, 202: Run}),
    "getRun": Operation(),
    "getRunLogs": Operation(errors=("runtime_unavailable",), texts=("text/plain",)),
    "cancelRun": Operation(errors=("run_ended", "app_deleting"), answers={200: Run, 202: Run}),
    "listJobs": Operation(),
    "createJob": Operation(errors=("conflict", "quota_exceeded", "app_deleting", "masked_value")),
    "getJob": Operation(),
    "updateJob": Operation(errors=("conflict", "read_only_field", "app_deleting", "masked_value")),
    "deleteJob": Operation(errors=("app_deleting",)),
}
