"""KubeRay's schema of a RayCluster, reduced to what tests need: ``python tests/helpers/reduced_crd.py CRD > FILE``.

CRD is helm-chart/kuberay-operator/crds/ray.io_rayclusters.yaml of ray-project/kuberay (Apache-2.0).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

OPEN = {"affinity", "ephemeralContainers", "initContainers", "topologySpreadConstraints", "dnsConfig", "headService"}
"""Fields of which only the names are held: the shipped file has none of them, and they are most of the schema."""
KEPT = {"type", "enum", "required", "pattern", "minimum", "maximum", "anyOf", "format"}
VOLUMES = {"name", "persistentVolumeClaim", "configMap", "emptyDir", "secret"}


def reduced(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """A schema without descriptions, that refuses fields which KubeRay does not know (a cluster would drop them)."""
    found = {key: value for key, value in schema.items() if key in KEPT and not (key == "format" and value == "int32")}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if name in OPEN:
        return {}
    if "properties" in schema:
        inner = schema["properties"]
        if name == "volumes":
            inner = {key: value if key in VOLUMES else {} for key, value in inner.items()}
        found["properties"] = {key: reduced(value, key) for key, value in sorted(inner.items())}
        found["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = reduced(schema["additionalProperties"])
    if "items" in schema:
        found["items"] = reduced(schema["items"], name)
    return found


def main(path: str) -> None:
    """Print the schema of the version that is stored."""
    crd = yaml.safe_load(Path(path).read_text())
    (version,) = [version for version in crd["spec"]["versions"] if version["storage"]]
    schema = version["schema"]["openAPIV3Schema"]
    properties = schema["properties"] | {"metadata": {"type": "object"}, "status": {}}
    print(json.dumps(reduced(schema | {"properties": properties}), separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
