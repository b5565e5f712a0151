#!/usr/bin/env bash
# What a node of a cluster does, with any provider: node.sh install | head | worker | leave | boot | clean.
#
# cluster.yaml and cluster/*.yaml call it; their first setup command writes ~/.dta-bench.env:
#   DTA_BENCH_OUT        runs, checkpoints, reports: a folder that every node sees
#   DTA_BENCH_ROOT       the data: a folder that every node sees, or a copy on each
#   DTA_BENCH_ARTIFACTS  where MLflow keeps artifacts: an object store, or a folder of the head
#   DTA_BENCH_STORE      optional: MLflow's database, postgresql://...; default: sqlite on the head, copied to OUT
#   DTA_BENCH_NODES      optional: how many workers a sweep waits for; leave it out where machines come and go
#   DTA_BENCH_RENTED     1 where machines are rented: a worker that has lost its head for good shuts itself down
#   DTA_BENCH_ADDRESS    optional: the head's private address; default: its first
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$checkout/cluster/node.sh

complain() { echo "dta-bench: $*" >&2; exit 1; }

# Make this machine ready to become an image: whoever starts one must not get this cluster's token, keys or results.
clean() {
  command -v ray > /dev/null && ray stop
  rm -rf ~/.ray/auth_token ~/ray_bootstrap_* ~/.dta-bench.head.sh ~/.dta-bench.boot.sh ~/mlflow* ~/*.log ~/.bash_history \
    ~/.aws ~/.config/gcloud /tmp/ray /tmp/ray_tmp_mount
  sudo systemctl disable --quiet dta-bench-head.service 2> /dev/null || true
  sudo rm -f /etc/ssh/ssh_host_* /etc/systemd/system/dta-bench-head.service
  sudo sed -i '\| /mnt/dta-bench |d' /etc/fstab
  if command -v cloud-init > /dev/null; then sudo cloud-init clean --logs --machine-id; fi
  rm -f ~/.ssh/authorized_keys  # last: nobody comes in any more until the image starts anew
}

settings() {
  if [ ! -f ~/.dta-bench.env ]; then complain "~/.dta-bench.env is missing; the cluster file's first setup command writes it"; fi
  if grep -q FILL_IN ~/.dta-bench.env; then complain "a placeholder is left: $(grep -o '[^ =]*FILL_IN[^ ]*' ~/.dta-bench.env | xargs)"; fi
  set -a; . ~/.dta-bench.env; set +a
  export PATH=$checkout/.venv/bin:$PATH RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 NO_ALBUMENTATIONS_UPDATE=1
  address=${DTA_BENCH_ADDRESS:-$(hostname -I | cut -d' ' -f1)}
  store=${DTA_BENCH_STORE:-sqlite:///$HOME/mlflow.db}
  : "${DTA_BENCH_OUT:?}" "${DTA_BENCH_ROOT:?}" "${DTA_BENCH_ARTIFACTS:?}"
}

install() {
  for tool in rsync make; do command -v $tool > /dev/null || complain "$tool is not installed on $(hostname)"; done
  mkdir -p "$DTA_BENCH_OUT/runs" || complain "$DTA_BENCH_OUT cannot be written to on $(hostname)"
  [ -s ~/.ray/auth_token ] || complain "~/.ray/auth_token is missing; make it once with: ray get-auth-token --generate"
  chmod 600 ~/.ray/auth_token
  make -s -C "$checkout" install
  { echo "set -a; . ~/.dta-bench.env; set +a"
    echo "export PATH=$checkout/.venv/bin:\$PATH RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0"
    echo "[ ! -f ~/.dta-bench.head.sh ] || . ~/.dta-bench.head.sh"; } > ~/.dta-bench.sh
  grep -qs dta-bench.sh ~/.bashrc || echo '. ~/.dta-bench.sh' >> ~/.bashrc
}

# Start a function of this script in the background, once a node, detached from the session.
background() { setsid nohup flock -n ~/."$1".lock "$node" "$1" >> ~/"$1".log 2>&1 < /dev/null & }

head() {
  # What ray up tells Ray about this machine; after a reboot nobody else knows.
  { env | grep -E '^RAY_(enable_autoscaler_v2|CLOUD_INSTANCE_ID|NODE_TYPE_NAME)=' || true; } | sed 's/^/export /' > ~/.dta-bench.boot.sh
  if [ -d /run/systemd/system ] && sudo -n true 2> /dev/null; then
    unit | sudo tee /etc/systemd/system/dta-bench-head.service > /dev/null
    sudo systemctl daemon-reload && sudo systemctl --quiet enable dta-bench-head.service
  else
    echo "no systemd, or no sudo without a password: after a reboot of $(hostname) call ray up again" >&2
  fi
  { echo "export DTA_BENCH_ADDRESS=$address MLFLOW_TRACKING_URI=http://$address:5000"
    echo "export RAY_ADDRESS=$address:6379 RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265"; } > ~/.dta-bench.head.sh
  command -v socat > /dev/null || complain "socat is not installed on $(hostname)"
  background mlflow
  background mlflow_copy
  background mlflow_on_loopback
  for _ in $(seq 120); do (exec 3<> "/dev/tcp/$address/5000") 2> /dev/null && break; sleep 1; done
  (exec 3<> "/dev/tcp/$address/5000") 2> /dev/null || complain "MLflow does not come up: $(tail -n 3 ~/mlflow.log)"
}

# The unit that brings this head back after a reboot: what it mounts comes first, then all that ray up has started.
unit() {
  cat << UNIT
[Unit]
Description=dta-bench: MLflow and the head of Ray
Wants=network-online.target
After=network-online.target remote-fs.target
RequiresMountsFor=$DTA_BENCH_OUT

[Service]
Type=oneshot
RemainAfterExit=yes
User=$(id -un)
ExecStart=$node boot
TimeoutStartSec=600

[Install]
WantedBy=multi-user.target
UNIT
}

# Do again what ray up did on this head; its file is where Ray's autoscaler reads it.
boot() {
  . ~/.dta-bench.sh; . ~/.dta-bench.boot.sh
  python - << 'READ' | while IFS= read -r -d '' line; do bash -c "$line" < /dev/null; done
import pathlib, sys, yaml
file = yaml.safe_load(pathlib.Path("~/ray_bootstrap_config.yaml").expanduser().read_text())
sys.stdout.write("".join(f"{line}\0" for line in file["head_start_ray_commands"]))
READ
}

# One server for all, started again whenever it ends. It listens on the private address alone.
mlflow() {
  export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PYTHONWARNINGS=ignore
  # The database's URL holds a password, and every user of the machine sees the arguments of its processes.
  export MLFLOW_BACKEND_STORE_URI=$store
  if [ "$store" = "sqlite:///$HOME/mlflow.db" ] && [ ! -f ~/mlflow.db ] && [ -f "$DTA_BENCH_OUT/mlflow-copy.db" ]; then
    cp "$DTA_BENCH_OUT/mlflow-copy.db" ~/mlflow.db
  fi
  while :; do
    # If a server is killed, its child may go on serving, and a new server could not have the port.
    if (exec 3<> "/dev/tcp/$address/5000") 2> /dev/null; then sleep 2; continue; fi
    command mlflow server --host "$address" --port 5000 --workers "${DTA_BENCH_MLFLOW_WORKERS:-4}" \
      --allowed-hosts "$address:5000,127.0.0.1:5000,localhost:5000" \
      --artifacts-destination "$DTA_BENCH_ARTIFACTS" || true
    sleep 2
  done
}

# The head's disk dies with the head, so its database is copied to the checkpoints' folder, whole or not at all.
mlflow_copy() {
  while sleep "${DTA_BENCH_COPY_SECONDS:-300}"; do
    [ -f ~/mlflow.db ] || continue
    python - "$HOME/mlflow.db" "$DTA_BENCH_OUT/mlflow-copy.db" <<< '
import os, sqlite3, sys
with sqlite3.connect(sys.argv[1]) as live, sqlite3.connect(sys.argv[2] + ".writing") as copy: live.backup(copy)
os.replace(sys.argv[2] + ".writing", sys.argv[2])' || true
  done
}

# For ssh's port forward, which leads to the loopback of the head.
mlflow_on_loopback() {
  while :; do socat TCP-LISTEN:5000,bind=127.0.0.1,reuseaddr,fork "TCP:$address:5000" || true; sleep 2; done
}

worker() {
  background notice
  if [ -n "${DTA_BENCH_RENTED:-}" ]; then background orphan; fi
}

# A head that is gone cannot end its workers, which would go on costing money.
orphan() {
  local missed=0
  while [ $missed -lt 15 ]; do
    sleep 60
    if pgrep -u "$(id -u)" -x raylet > /dev/null; then missed=0; else missed=$((missed + 1)); fi
  done
  echo "no Ray for a quarter of an hour: this machine shuts down"
  sudo shutdown -h now
}

# Wait for the cloud to say that this spot machine will be taken away (AWS: two minutes before, GCP: 30 seconds).
notice() {
  local aws=http://169.254.169.254/latest gcp=http://metadata.google.internal/computeMetadata/v1/instance/preempted token
  while sleep 5; do
    token=$(curl -sf -m 2 -X PUT "$aws/api/token" -H "X-aws-ec2-metadata-token-ttl-seconds: 60") || token=
    if [ -n "$token" ] && curl -sf -m 2 -o /dev/null -H "X-aws-ec2-metadata-token: $token" "$aws/meta-data/spot/instance-action"; then break; fi
    if [ "$(curl -sf -m 2 -H "Metadata-Flavor: Google" $gcp)" = TRUE ]; then break; fi
  done
  leave
}

# Take this node out: no new run starts here, and every run saves its checkpoint and goes on elsewhere.
leave() {
  RAY_ADDRESS=auto ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message "node.sh leave" \
    --deadline-remaining-seconds "${1:-110}"
  # Only the runs, which are children of raylet, and not the processes that read ahead for them. Ray names a run's
  # process after the class TrainRun in dta_bench/sweep/on_ray/worker.py.
  pkill -TERM -P "$(pgrep -d, -u "$(id -u)" -x raylet)" -f '^ray::TrainRun' || echo "no run was here"
}

# In a container the image and KubeRay have set what leaving needs.
if [ "${1:-}" != leave ] || [ -f ~/.dta-bench.env ]; then settings; fi
case "${1:-}" in
  install | head | worker | mlflow | mlflow_copy | mlflow_on_loopback | notice | orphan | leave | unit | boot | clean) "$@" ;;
  *) complain "node.sh takes install, head, worker, leave, boot or clean, not '${1:-}'" ;;
esac
