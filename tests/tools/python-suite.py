# SPDX-License-Identifier: Apache-2.0
"""Runs modules of CPython's own test suite, and prints a line for each test that failed: its name and
the last line of the exception.

usage: python3 - [-x PATTERN]... MODULE... <python-suite.py

Tests whose name (test_json.test_tool.TestTool.test_tab) matches a PATTERN of the shell's kind are left
out. The last line says how many tests ran, failed and were skipped. The exit status is 0 if the suite
came to its end, whatever failed.
"""
import contextlib
import fnmatch
import sys
import unittest


def name_of(test):
    """A test's name without the package; a part of a test (subTest) has the name of the test."""
    return getattr(test, "test_case", test).id().removeprefix("test.").removeprefix("test_asyncio.")


def tests_in(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_in(test)
        else:
            yield test


def main(arguments):
    left_out = []
    while arguments[:1] == ["-x"]:
        left_out.append(arguments[1])
        del arguments[:2]
    with contextlib.redirect_stdout(sys.stderr):
        suite = unittest.defaultTestLoader.loadTestsFromNames(["test." + name for name in arguments])
        chosen = unittest.TestSuite(
            test for test in tests_in(suite)
            if not any(fnmatch.fnmatchcase(name_of(test), pattern) for pattern in left_out))
        result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(chosen)
    failed = {name_of(test): text.splitlines()[-1] for test, text in result.failures + result.errors}
    failed.update((name_of(test), "succeeded unexpectedly") for test in result.unexpectedSuccesses)
    for name in sorted(failed):
        print(name, failed[name])
    print(f"{result.testsRun} ran, {len(failed)} failed, {len(result.skipped)} skipped")


main(sys.argv[1:])
