# A node of a Ray cluster with dta-bench in it, for Kubernetes: cluster/kuberay.yaml.
#
#   docker build --build-arg COMMIT=$(git rev-parse HEAD) --tag REGISTRY/dta-bench:TAG .
#
# The GPU's driver is the machine's; PyPI's torch brings the rest of CUDA. No data, no results and no token are inside.
FROM python:3.11.14-slim-bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV NO_ALBUMENTATIONS_UPDATE=1 PIP_NO_CACHE_DIR=1 RAY_USAGE_STATS_ENABLED=0
# wget: KubeRay asks with it whether Ray lives. procps: node.sh finds runs by it. make: installs as everywhere else.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends curl make procps socat wget \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home ray
WORKDIR /opt/dta-bench
COPY . .
RUN make install && .venv/bin/pip install --quiet -c constraints.txt boto3 google-cloud-storage
# Runs note the commit; the history stays outside (.dockerignore).
ARG COMMIT
RUN echo "$COMMIT" | grep --extended-regexp --line-regexp "[0-9a-f]{12,40}" > .commit \
    || { echo "docker build needs --build-arg COMMIT=\$(git rev-parse HEAD)"; exit 1; }
ENV PATH=/opt/dta-bench/.venv/bin:$PATH NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
WORKDIR /home/ray
CMD ["dta-bench", "--help"]
