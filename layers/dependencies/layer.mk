# Builds the layer of third-party packages in ARTIFACTS_DIR. The same requirements make the same files, on any machine.
# The Makefile of the architecture sets PLATFORMS: the platform tags of the wheels that run on Amazon Linux 2023, the system
# of the runtime python3.13 (glibc 2.34).

# The first Python 3.13 with pip: that of .venv, or one on the PATH. pyenv reads the version in the repository's folder.
PYTHON := $(shell cd "$(REPOSITORY)" && for name in .venv/bin/python python3.13 python3 python; do $$name -c \
	'import pip, sys; sys.version_info[:2] == (3, 13) or sys.exit(1); print(sys.executable)' 2>/dev/null && break; done)
TARGET := $(ARTIFACTS_DIR)/python

# What no function loads: no chain of imports from Baton leads there, which a test checks.
UNUSED_FILES := *.pyi py.typed *.md
UNUSED_FOLDERS := bin *.dist-info */tests jsonschema/benchmarks \
	$(addprefix aws_lambda_powertools/utilities/,auth_alpha batch circuit_breaker data_masking feature_flags idempotency \
		kafka parser streaming validation)

# requirements.txt remains: scanners such as Amazon Inspector read the versions of packages there.
build-DependenciesLayer:
	$(if $(PYTHON),,$(error The layers need Python 3.13 with pip: install it, so that python3.13 is on the PATH))
	rm -rf "$(TARGET)"
	"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --only-binary :all: \
		--implementation cp --python-version 3.13 $(addprefix --platform ,$(PLATFORMS)) \
		--requirement requirements.txt --target "$(TARGET)"
	cd "$(TARGET)" && rm -rf $(UNUSED_FOLDERS)
	find "$(TARGET)" -type f \( -false $(foreach pattern,$(UNUSED_FILES),-o -name '$(pattern)') \) -delete
	cp requirements.txt "$(TARGET)"
	"$(PYTHON)" -m compileall -q --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)" -p /opt "$(TARGET)"
