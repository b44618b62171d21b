# The two words that matter: `make demo` and `make test`. Everything they need, `make setup` installs.

VENV := .venv
BIN := $(VENV)/bin
FAULT ?= pool-size
KEEP ?=
# supervisor, or compose for containers; with IMAGES=local those are built here, and nothing is pulled.
RUNTIME ?= supervisor
IMAGES ?=
CONTAINERS := --runtime $(RUNTIME) $(if $(IMAGES),--images $(IMAGES))
K ?=
# With K=… a suite in which nothing matches (exit code 5) is no failure.
FILTER := $(if $(K),-k '$(K)' || test $$? -eq 5)

.PHONY: all pictures setup demo demo-down stack stack-down check test fmt docs bench clean

all: test

setup:
	@scripts/setup

demo: setup
	@$(BIN)/python -m stack demo --fault $(FAULT) $(CONTAINERS) $(if $(KEEP),--keep)

demo-down:
	@$(BIN)/python -m stack down

# The stack as containers, without a fault; make stack-down ends it.
stack: setup
	@$(BIN)/python -m stack up $(if $(IMAGES),--images $(IMAGES))

stack-down: setup
	@$(BIN)/python -m stack stop

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check
	promtool check rules rules/*.yml
	promtool test rules rules/tests/*.yml
	amtool check-config alertmanager/alertmanager.yml
	$(BIN)/sre-daemon check stack/policy.yaml stack/runbooks
	$(BIN)/sre-daemon policy test stack/policy-test.yaml

# Two at a time, one per processor, and a file never in two places: what its tests share exists once.
# Acceptance one at a time: each starts servers and keeps an eye on the clock.
test: check
	@scripts/setup npm
	$(BIN)/pytest tests/unit tests/contracts tests/docs tests/rules tests/packages tests/integration -q -n 2 --dist loadfile $(FILTER)
	$(BIN)/pytest tests/browser -q $(FILTER)
	$(BIN)/pytest tests/acceptance -q $(FILTER)

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	$(BIN)/python scripts/docs.py --write

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

# The pictures of the pages in docs/: as the tests of the console see them, and the dashboard after a real run.
PICTURES := incidents repaired approval policy
pictures: setup
	$(BIN)/pytest tests/browser/test_browser_pages.py -q -k schemes
	@mkdir -p docs/images
	@for name in $(PICTURES); do cp build/screenshots/$$name-light-first.png docs/images/$$name.png; done
	$(BIN)/python scripts/dashboard_picture.py docs/images/dashboard.png
