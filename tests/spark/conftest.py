"""One standalone Spark for all tests, and one session for all questions of a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

sys.path.append(str(Path(__file__).parents[2]))
from tests.spark.standalone import ENVIRONMENT, Standalone, standalone

from layercensus.lake.spark_session import spark_session


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with standalone(tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture(scope="module")
def session(cluster: Standalone) -> Iterator[SparkSession]:
    """Ended with the module: it holds every core of the cluster."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with spark_session(cluster.url) as started:
            yield started
