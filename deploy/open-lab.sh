#!/bin/sh
# Opens the course in JupyterLab, in a container of the course's image.
#
# RAY_ADDRESS    the cluster, as host:port; `auto` where a node of it runs in this container already;
#                `own` for a Ray of this container's own
# WORK           the learner's folder. All nodes must have it, at this same path: Tune's trials
#                write their checkpoints where the notebook says
# JUPYTER_TOKEN  what the browser is asked for
# JUPYTER_IP     where JupyterLab listens; by default on loopback
set -eu
: "${RAY_ADDRESS:?}" "${WORK:?}" "${JUPYTER_TOKEN:?}"
course=$(cd "$(dirname "$0")/.." && pwd)
ulimit -n 65536 || echo "Open files stay limited to $(ulimit -n)."

case "$RAY_ADDRESS" in
auto) ;;
own)
    unset RAY_ADDRESS
    ray start --head --dashboard-host=127.0.0.1 --object-store-memory=1000000000
    export RAY_ADDRESS=auto
    ;;
*)
    until said=$(ray status --address="$RAY_ADDRESS" 2>&1); do
        echo "Waiting for the Ray at $RAY_ADDRESS. It says: $(echo "$said" | tail -n 1 | cut -c 1-300)"
        sleep 5
    done
    # A driver needs a node beside it. This one takes no tasks: it has no CPU to offer.
    ray start --address="$RAY_ADDRESS" --num-cpus=0 --object-store-memory=1000000000
    ;;
esac

mkdir -p "$WORK/tmp"
[ -e "$WORK/notebooks" ] || cp -r "$course/notebooks" "$WORK/"

# The labs put checkpoints into temporary folders, so these must be where all nodes see them.
export TMPDIR="$WORK/tmp" RAY_TMPDIR=/tmp RAY_LABS_STATE="$WORK/.ray-labs"
exec jupyter lab --no-browser --ip="${JUPYTER_IP:-127.0.0.1}" --port=8888 \
    --ServerApp.root_dir="$WORK" \
    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb
