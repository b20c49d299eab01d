"""Part of make lint: checkov, in an environment of its own, since its packages conflict with those of .venv.

docs/decisions/0054-checkov-runs-in-an-environment-of-its-own.md has the reasons.
"""

import hashlib
import os
import re
import subprocess
import sys

from local.venv import PIP, ROOT, VENV, output_of_failure, report

CHECKOV = VENV / "checkov"  # removed with .venv
PYTHON = CHECKOV / "bin" / "python"
STAMP = CHECKOV / "inputs-hash"
TEMPLATE = ROOT / "template.yaml"
REQUIREMENTS = ROOT / "local" / "checkov-requirements.txt"
INSTALL = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
CHECK = [
    *(str(PYTHON), str(CHECKOV / "bin" / "checkov"), "--file", TEMPLATE.name, "--framework", "cloudformation"),
    *("--quiet", "--compact"),  # only failures, without lines of the template
    "--skip-download",  # of descriptions from checkov's platform
]


def main() -> int:
    if not install():
        return 1
    done = subprocess.run(CHECK, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(f"{done.stdout.strip()}\n")
    unused = unused_suppressions(done.stdout, TEMPLATE.read_text())
    if unused:
        report(f"{TEMPLATE.name}: {unused} suppressions have no finding: remove them.")
    return done.returncode or int(unused > 0)


def unused_suppressions(output: str, template: str) -> int:
    """The suppressions of the template that checkov did not need."""
    used = re.search(r"Skipped checks: (\d+)", output)
    return template.count("checkov:skip=") - int(used[1] if used else 0)


def install() -> bool:
    """Create the environment if its packages have changed; returns whether it exists now."""
    inputs_hash = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == inputs_hash:
        return True
    report(f"Creating {CHECKOV.relative_to(ROOT)} for checkov. This takes half a minute.")
    for step in steps():
        if (output := output_of_failure(step)) is not None:
            report(output)
            report(f"checkov could not be installed. This step failed, as shown above: {' '.join(step)}")
            return False
    STAMP.write_text(inputs_hash)  # last, so that an interrupted attempt is repeated
    return True


def steps() -> list[list[str]]:
    """Without the resolution of dependencies: all packages are in the file, and checked at the end."""
    return [
        [sys.executable, "-m", "venv", "--clear", str(CHECKOV)],
        [*INSTALL, PIP],
        [*INSTALL, "--no-deps", "--requirement", str(REQUIREMENTS)],
        [str(PYTHON), "-m", "pip", "check"],
    ]


def environment() -> dict[str, str]:
    """Without the settings of the developer, which may send results to checkov's platform."""
    names = ("BC_", "CHECKOV_", "CKV_", "PRISMA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)}


if __name__ == "__main__":
    sys.exit(main())
