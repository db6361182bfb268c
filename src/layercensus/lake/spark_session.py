"""⇄ A Spark session: started, kept quiet, ended. What it is asked is not known here.

Spark writes pages of its own to standard error, from a shell script, Java and its workers. They go to a file without
a name, and what matters of them becomes one line of ours.
"""

import re
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from layercensus.errors import Fault, LakeError

# Java's end of the line may also break.
SPARK_ERRORS = (PySparkException, Py4JError, OSError)
_MASTER = r"local(\[.+\])?|yarn|(spark|k8s)://.+"
_PATIENCE_SECONDS = 120.0
_INSTALL_JAVA = "Spark needs Java 17 or later: install openjdk-17-jre-headless, or set JAVA_HOME"
_LOOK_AT_MASTER = "look whether the master runs there, of the same version of Spark, and has a worker with a free core"
_SHARE = "every worker must see the lake at the same path; where it has other letters than ASCII, with LANG=C.UTF-8"
_RESTORE = "restore the file from a copy; what lies beside the rows is made anew: layercensus tidy --lake DIR --anew"
_PANDAS = "PySpark does not yet fully support pandas"  # nothing here uses it
_REMARKS = ("WARNING", "NOTE", "Using ", "Setting ")
_SETTINGS = {
    "spark.app.name": "layercensus",
    "spark.sql.ansi.enabled": "true",  # what overflows is an error, never another number
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# On one host nothing needs its name, which may not resolve.
_LOCAL_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@contextmanager
def spark_session(master: str) -> Iterator[SparkSession]:
    """Start a session on a master (`local[*]`, `spark://HOST:PORT`) and end it after the block.

    A process has one at a time. Raises `LakeError` where Java is missing, no master answers or no worker takes work.
    """
    if not re.fullmatch(_MASTER, master):
        raise LakeError("this is no master", master, Fault.USAGE, "it should look like spark://HOST:7077 or local[4]")
    settings = {**_SETTINGS, **(_LOCAL_SETTINGS if master.startswith("local") else {}), "spark.master": master}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _PANDAS, FutureWarning)
        context = _start(master, SparkConf().setAll(list(settings.items())))
        try:
            session = _session(context, master)
            _wait_for_a_worker(session, master)
            yield session
        finally:
            context.stop()


def refused_by_spark(error: Exception, where: str) -> LakeError:
    """What Spark raised, as one line of ours; `where` is the question or the lake."""
    line = _first_line(error)
    if "PATH_NOT_FOUND" in line or "FILE_NOT_EXIST" in line:
        return LakeError(f"Spark does not see a file of the lake: {line}", where, Fault.HOST, _SHARE)
    if "FAILED_READ_FILE" in line:
        return LakeError(f"a file cannot be read: {line}", where, next_step=_RESTORE)
    if isinstance(error, ParseException | AnalysisException):
        return LakeError(f"the engine refused the question: {line}", where, Fault.US)
    return LakeError(f"Spark failed: {line}", where, Fault.HOST, "look at the master and the workers, and try again")


def _start(master: str, settings: SparkConf) -> SparkContext:
    try:
        gateway = _gateway(settings)
    except (PySparkException, OSError) as error:
        raise LakeError(f"Spark does not start: {_said(error)}", "--engine spark", Fault.HOST, _INSTALL_JAVA) from error
    try:
        return SparkContext(gateway=gateway, conf=settings)
    except SPARK_ERRORS as error:
        raise _no_session(master, error) from error


def _session(context: SparkContext, master: str) -> SparkSession:
    try:
        return SparkSession(context)
    except SPARK_ERRORS as error:
        raise _no_session(master, error) from error


def _no_session(master: str, error: Exception) -> LakeError:
    line = _first_line(error)
    # This is what a driver says that waited for its master for a minute.
    what = "no master answers" if "stopped SparkContext" in line else f"no session: {line}"
    return LakeError(what, master, Fault.HOST, _LOOK_AT_MASTER)


def _said(error: Exception) -> str:
    """The first line that is no remark, of what a Spark that did not start said of itself."""
    _noise().seek(0)
    lines = (line.strip() for line in _noise().read().decode("utf-8", "replace").splitlines())
    return next((line for line in lines if line and not line.startswith(_REMARKS)), _first_line(error))


@cache
def _noise() -> IO[bytes]:
    """Where Spark's own lines go."""
    return tempfile.TemporaryFile()


@cache
def _gateway(settings: SparkConf) -> Any:
    """The Java of this process: it stays until the process ends, and serves one session after another."""
    return launch_gateway(settings, {"stdout": _noise(), "stderr": _noise()})


def _wait_for_a_worker(session: SparkSession, master: str) -> None:
    """Have one small task done, so that a cluster without a free worker is an error and not silence."""
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        session.sparkContext.cancelAllJobs()

    timer = threading.Timer(_PATIENCE_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        session.range(1).collect()
    except SPARK_ERRORS as error:
        what = f"no worker took the work within {_PATIENCE_SECONDS:.0f} s" if is_late.is_set() else _first_line(error)
        raise LakeError(what, master, Fault.HOST, _LOOK_AT_MASTER) from error
    finally:
        timer.cancel()


def _first_line(error: Exception) -> str:
    message = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
    return str(message).strip().partition("\n")[0]
