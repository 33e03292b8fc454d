"""MLflow: the server that MLFLOW_TRACKING_URI names, else a database in the folder of the runs."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

# A server out of reach is to cost seconds: MLflow's own settings try for minutes. Whoever sets these is obeyed.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

import mlflow
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from trainers.tracking.backend import Written

_EXPERIMENT = "fast-fine-tuning"  # where MLFLOW_EXPERIMENT_NAME names no other
_AT_ONCE = 100  # parameters in a call, MLflow's bound
_LONGEST = 500  # characters of a parameter that every store takes
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


def connect(runs: Path) -> "MlflowBackend":
    """As MLflow's own settings say; without any, `runs`/mlflow.db and `runs`/mlflow-artifacts."""
    for name in ("mlflow", "alembic", "urllib3"):  # which tell of tables that they make, and of every try
        logging.getLogger(name).setLevel(logging.ERROR)
    if mlflow.is_tracking_uri_set():
        return MlflowBackend(mlflow.get_tracking_uri(), artifacts=None)
    runs.mkdir(parents=True, exist_ok=True)
    return MlflowBackend(f"sqlite:///{runs.resolve() / 'mlflow.db'}", artifacts=runs.resolve() / "mlflow-artifacts")


class MlflowBackend:
    """A run in MLflow. `artifacts` is where an experiment that is new keeps files, None for the server's choice."""

    def __init__(self, uri: str, *, artifacts: Path | None):
        self.uri, self._artifacts = uri, artifacts
        self._client: MlflowClient | None = None
        self._run = ""

    @property
    def _connected(self) -> MlflowClient:
        if self._client is None:  # late, because a database is opened by it
            self._client = MlflowClient(self.uri)
        return self._client

    def start(self, run_id: str | None, *, name: str) -> str:
        """As Backend's; a run that was deleted is not there."""
        client = self._connected
        found = self._found(run_id) if run_id else None
        if found is None:
            found = client.create_run(self._experiment(), run_name=name).info.run_id
        self._run = found
        client.update_run(found, status="RUNNING")
        return found

    def _found(self, run_id: str) -> str | None:
        try:
            run = self._connected.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return run.info.run_id if run.info.lifecycle_stage == "active" else None

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        found = self._connected.get_experiment_by_name(name)
        if found:
            return found.experiment_id
        where = self._artifacts.as_uri() if self._artifacts else None
        return self._connected.create_experiment(name, artifact_location=where)

    def written(self, epoch: str) -> Written:
        """As Backend's."""
        data = self._connected.get_run(self._run).data
        points = self._connected.get_metric_history(self._run, epoch) if epoch in data.metrics else []
        return Written(frozenset(data.params), frozenset(point.step for point in points), frozenset(data.metrics))

    def parameters(self, values: Mapping[str, str]) -> None:
        """As Backend's; what is longer than MLflow keeps is cut."""
        entries = [Param(name, value[:_LONGEST]) for name, value in values.items()]
        for first in range(0, len(entries), _AT_ONCE):
            self._connected.log_batch(self._run, params=entries[first : first + _AT_ONCE])

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        """As Backend's."""
        now = int(1000 * time.time())
        self._connected.log_batch(self._run, [Metric(name, value, now, step) for name, value in values.items()])

    def artifact(self, path: Path) -> None:
        """As Backend's."""
        self._connected.log_artifact(self._run, str(path))

    def end(self, outcome: str) -> None:
        """As Backend's."""
        self._connected.set_terminated(self._run, _STATUS[outcome])
