"""Writes what becomes of each test as lines of JSON, for whoever runs the suite as a part of another."""

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="a file for one line of JSON a test: its name, and how it failed")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--outcomes")
    if path is not None:
        config.pluginmanager.register(Outcomes(path))


class Outcomes:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A failure before or after a test is a failure of it; a test that was not run has nothing to say.
        if report.when == "call" or report.failed:
            failure = {"failure": report.longreprtext} if report.failed else {}
            self.say({"name": report.nodeid, **failure})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.say({"name": report.nodeid, "failure": report.longreprtext})

    def say(self, outcome: dict[str, str]) -> None:
        with self.path.open("a") as lines:
            lines.write(json.dumps(outcome) + "\n")
