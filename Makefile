# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin

# What `make fuzz` gives each target, and which: all of them where none is named.
SECONDS := 30
TARGETS :=

.PHONY: demo test endurance soak test-spark test-survey coverage-study fuzz check audit wheel format lock bench clean

demo: .venv/all
	$(BIN)/layercensus demo

test: .venv/dev
	$(BIN)/pytest

endurance: .venv/dev
	$(BIN)/pytest -m endurance

# The whole, from machines to the report, under a thousand seeds; about an hour on one core.
soak: .venv/dev
	LAYERCENSUS_SOAK_SEEDS=1000 LAYERCENSUS_SOAK_WRITE=1 $(BIN)/pytest -q -x tests/whole

# The same questions on a real Spark; needs Java 17 or later.
test-spark: .venv/spark
	$(BIN)/pytest tests/spark

# The estimator against survey packages, and how often its interval is right.
test-survey: .venv/survey
	$(BIN)/pytest tests/survey

# Thousands of fleets to a design, some minutes; its table goes to docs/coverage.md.
coverage-study: .venv/dev
	$(BIN)/python support/coverage_study.py

# Foreign bytes into every parser, guided by coverage; a run of all targets writes docs/fuzzing.md.
fuzz: .venv/fuzz
	$(BIN)/python fuzz/run.py --seconds $(SECONDS) $(or $(TARGETS),--write)

check: .venv/dev audit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/contract
	$(BIN)/python support/docs.py --check

# Known weaknesses of what the locks name, and whether the SBOM is one; loud where no source of advisories answers.
audit: .venv-audit/made
	.venv-audit/bin/python support/audit.py

# Twice, in two places: the same bytes or an error.
wheel: .venv/dev
	$(BIN)/python support/wheel.py dist

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python support/docs.py

# Every room beside its peers, about half an hour on a machine that does nothing else; writes docs/performance.md.
bench: .venv/spark
	$(BIN)/python bench/run.py --write

# New versions of what we depend on; the result goes to review like any change.
lock: .venv/base
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra all --all-build-deps --output-file locks/all.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra dev --all-build-deps --output-file locks/dev.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra spark --all-build-deps --constraint locks/dev.txt --output-file locks/spark.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra survey --all-build-deps --constraint locks/dev.txt --output-file locks/survey.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra fuzz --all-build-deps --constraint locks/dev.txt --output-file locks/fuzz.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --upgrade --extra audit --output-file locks/audit.txt pyproject.toml

.venv/base:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/all: locks/all.txt pyproject.toml | .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/all.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: locks/dev.txt pyproject.toml | .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/all

# Of one version with locks/dev.txt, so that it only adds.
.venv/spark: locks/spark.txt .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/spark.txt
	@touch $@

# Likewise.
.venv/survey: locks/survey.txt .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/survey.txt
	@touch $@

# The same; atheris has builds for few versions of Python, and fuzz/run.py says what is left without it.
.venv/fuzz: locks/fuzz.txt .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r locks/fuzz.txt \
		|| echo 'NOT GUIDED: atheris cannot be installed for this Python' >&2
	@touch $@

# Apart, so that tools are not taken for what they look at.
.venv-audit/made: locks/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r locks/audit.txt
	@touch $@

clean:
	rm -rf .venv .venv-audit .fuzz dist layercensus-demo .mypy_cache .ruff_cache .pytest_cache
