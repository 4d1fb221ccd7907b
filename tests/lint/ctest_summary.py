#!/usr/bin/env python3
"""Runs the tests of a build directory and ends with "N passed, N failed, N skipped".

The output of failing tests is shown, so that the log tells what went wrong.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--timeout", default="900", help="seconds for one test")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        subprocess.run(
            ["ctest", "--test-dir", arguments.directory, "-j", arguments.jobs,
             "--timeout", arguments.timeout, "--output-on-failure", "--output-junit", report],
            check=False)
        if not os.path.exists(report):
            print("ctest wrote no report")
            return 1
        cases = xml.parse(report).getroot().findall("testcase")
    failed = [case for case in cases if case.get("status") == "fail"]
    skipped = [case for case in cases if case.get("status") in ("notrun", "disabled")]
    for case in skipped:
        print(f"SKIPPED {case.get('name')}")
    for case in failed:
        print(f"FAILED {case.get('name')}; again: "
              f"ctest --test-dir {arguments.directory} -R '^{case.get('name')}$' -V")
    if not cases:
        print("no tests were found")
    print(f"{len(cases) - len(failed) - len(skipped)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
