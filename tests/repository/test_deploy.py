"""What deploy/ asks of Kubernetes, Docker, AWS and Ray is what they understand. Nothing is started.

Each file is held against the schema of the engine that reads it, and all against constraints.txt.
"""

import functools
import importlib.resources
import itertools
import json
import os
import re
import shlex
import subprocess
import types

import jsonschema
import kubernetes_validate
import pytest
import referencing
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from helpers import paths
from tests.repository.test_environment import CONDA, CONSTRAINTS, EXTRAS

DEPLOY = paths.ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc")
PAGES = [path for path in FILES if path.suffix == ".md"]
PYTHON = next(line for line in CONDA if line.startswith("python=")).removeprefix("python=")
TAG = f"{CONSTRAINTS['ray']}-py{PYTHON.replace('.', '')}"
IMAGE = f"ray-labs:{TAG}"

COMPOSE = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
SERVICES = COMPOSE["services"]
CLUSTER = yaml.safe_load((DEPLOY / "ray-up/cluster.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OPEN_LAB = (DEPLOY / "open-lab.sh").read_text()
LEARNER = (DEPLOY / "kuberay/jupyterlab.yaml").read_text()
MANIFESTS = [
    manifest
    for path in sorted((DEPLOY / "kuberay").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]
RAYCLUSTER = next(one for one in MANIFESTS if one["kind"] == "RayCluster")
KUBERNETES = sorted(
    {version.rpartition(".")[0] for version in kubernetes_validate.utils.all_versions()},
    key=lambda version: [int(part) for part in version.split(".")],
)


def _name(manifest: dict) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _everything(node):
    """All mappings in a document, at any depth."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, (dict, list)):
            yield from _everything(child)


def _problems(document: dict, schema: dict, registry=None) -> list[str]:
    """One line for each place where the document does not fit."""
    validator = jsonschema.Draft202012Validator(schema, registry=registry or referencing.Registry())
    return [
        f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)
    ]


# --- Kubernetes ---


@pytest.mark.parametrize("version", [KUBERNETES[0], KUBERNETES[-1]])
@pytest.mark.parametrize(
    "manifest", [one for one in MANIFESTS if one["kind"] != "RayCluster"], ids=_name
)
def test_kubernetes_knows_every_key(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def test_kuberay_knows_every_key():
    assert not _problems(RAYCLUSTER, _raycluster(), _kubernetes_definitions())


def test_the_page_installs_the_kuberay_that_the_schema_is_of():
    version = re.search(r"KubeRay v([\d.]+)$", _raycluster()["title"])[1]
    named = [re.findall(r"kuberay-operator --version ([\d.]+)", page.read_text()) for page in PAGES]
    assert {*itertools.chain(*named)} == {version}
    assert f"KubeRay v{version}" in (paths.ROOT / "tests/repository/schemas/README.md").read_text()


@pytest.mark.skipif("RAY_LABS_CRD" not in os.environ, reason="RAY_LABS_CRD names no definition")
def test_the_transcript_has_the_fields_of_the_definition_itself():
    """tests/repository/schemas/README.md says how to come by the definition."""
    with open(os.environ["RAY_LABS_CRD"]) as file:
        versions = yaml.safe_load(file)["spec"]["versions"]
    published = next(one for one in versions if one["name"] == "v1")["schema"]["openAPIV3Schema"]
    ours = _raycluster()
    assert not _differences(ours["$defs"]["RayClusterSpec"], published["properties"]["spec"], ours)


def _differences(ours: dict, theirs: dict, root: dict, at: str = "spec") -> list[str]:
    """The fields, from `at` down, that one has and the other has not; not Kubernetes' own types."""
    ours, theirs = ours.get("items", ours), theirs.get("items", theirs)
    reference = ours.get("$ref", "")
    if reference.startswith("#"):
        ours = root["$defs"][reference.rpartition("/")[2]]
    if "properties" not in ours:
        return []
    mine, published = ours["properties"], theirs.get("properties", {})
    differing = [f"{at}.{name}" for name in sorted(mine.keys() ^ published.keys())]
    for name in mine.keys() & published.keys():
        differing += _differences(mine[name], published[name], root, f"{at}.{name}")
    return differing


def _raycluster() -> dict:
    return json.loads((paths.ROOT / "tests/repository/schemas/raycluster.json").read_text())


def _kubernetes_definitions() -> referencing.Registry:
    """Kubernetes' own types, which a RayCluster's pod templates are made of."""
    folder = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    newest = folder / f"v{KUBERNETES[-1]}.0-local-strict" / "_definitions.json"
    return referencing.Resource.from_contents(json.loads(newest.read_text())) @ (
        referencing.Registry()
    )


def test_jupyterlab_joins_the_cluster_by_the_name_of_its_service():
    (container,) = _containers(yaml.safe_load_all(LEARNER))
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["RAY_ADDRESS"] == f"{RAYCLUSTER['metadata']['name']}-head-svc:6379"
    assert environment["RAY_AUTH_MODE"] == RAYCLUSTER["spec"]["authOptions"]["mode"] == "token"


def test_the_page_makes_every_secret_that_the_manifests_read():
    page = (DEPLOY / "kuberay/README.md").read_text().replace("\\\n", " ")
    made = {
        (name, key)
        for name, rest in re.findall(r"kubectl create secret generic (\S+)(.*)", page)
        for key in re.findall(r"--from-literal=(\w+)=", rest)
    }
    read = {(RAYCLUSTER["spec"]["authOptions"]["secretName"], "auth_token")} | {
        (one["secretKeyRef"]["name"], one["secretKeyRef"]["key"])
        for one in _everything(MANIFESTS)
        if "secretKeyRef" in one
    }
    assert made == read


def test_what_the_pages_replace_is_in_the_manifests():
    replaced = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for command in re.findall(r"^ *sed (.+?)(?: [|>] .*)?$", text, re.M):
            edited = [page.parent / name for name in re.findall(r"[\w-]+\.yaml", command)]
            edited = [path if path.exists() else DEPLOY / "kuberay" / path.name for path in edited]
            manifests = "".join(path.read_text() for path in edited)
            for _, pattern in re.findall(r"s([/|])(.+?)\1", command):
                assert re.search(pattern, manifests, re.M), (page.name, command, pattern)
                replaced.append(pattern)
    assert len(replaced) == 7


def test_pods_run_as_nobody_special_within_limits():
    for container in _containers(MANIFESTS):
        security, resources = container["securityContext"], container["resources"]
        assert security["allowPrivilegeEscalation"] is False, container["name"]
        assert security["capabilities"] == {"drop": ["ALL"]}, container["name"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert {"/dev/shm", "/shared"} == {one["mountPath"] for one in container["volumeMounts"]}
    pods = [one["spec"] for one in _everything(MANIFESTS) if "containers" in one.get("spec", {})]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]


def test_a_second_learner_shares_no_name_with_the_first():
    """workshop.md makes forty of one manifest by a new name for every `jupyterlab`."""
    first, second = (
        list(yaml.safe_load_all(LEARNER.replace("jupyterlab", name)))
        for name in ("jupyterlab", "jupyterlab-07")
    )
    for manifest in second:
        kubernetes_validate.validate(manifest, KUBERNETES[-1], strict=True)
    own = [_own(manifests) for manifests in (first, second)]
    assert len(own[0]) == len(own[1]) == 5 and own[0].isdisjoint(own[1])


def _own(manifests: list[dict]) -> set[str]:
    """What is one learner's own: names, labels, the folder and the secret."""
    (container,) = _containers(manifests)
    environment = {one["name"]: one for one in container["env"]}
    secret = environment["JUPYTER_TOKEN"]["valueFrom"]["secretKeyRef"]["name"]
    deployment, service = manifests
    return {
        _name(deployment),
        _name(service),
        f"label {service['spec']['selector']['app']}",
        environment["WORK"]["value"],
        f"secret {secret}",
    }


def _containers(manifests) -> list[dict]:
    return [
        container
        for one in _everything(list(manifests))
        if isinstance(one.get("containers"), list)
        for container in one["containers"]
    ]


# --- Docker Compose ---


def test_compose_knows_every_key():
    assert not _problems(COMPOSE, get_builtin_schema("vendor.compose-spec"))


def test_compose_publishes_on_loopback_only():
    published = [str(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_compose_pins_every_image():
    for name, service in SERVICES.items():
        repository, _, tag = service["image"].rpartition(":")
        assert repository, f"{name} has no tag"
        assert re.fullmatch(r"v?\d+\.\d+\.\d+(-py\d+)?", tag), f"{name}: {tag}"
    assert [name for name, service in SERVICES.items() if "build" in service] == ["head"]


def test_compose_waits_only_for_what_has_a_health_check():
    for name, service in SERVICES.items():
        assert "healthcheck" in service, name
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES and how["condition"] == "service_healthy", (name, other)


def test_compose_asks_for_tokens():
    for name, service in SERVICES.items():
        if service["image"] == IMAGE:
            assert service["environment"]["RAY_AUTH_MODE"] == "token", name
            assert service["environment"]["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?"), name
    assert SERVICES["jupyterlab"]["environment"]["JUPYTER_TOKEN"].startswith("${JUPYTER_TOKEN:?")
    page = (DEPLOY / "compose/README.md").read_text()
    assert "RAY_AUTH_TOKEN=" in page and "JUPYTER_TOKEN=" in page
    assert "**/.env" in (DEPLOY / "Dockerfile.dockerignore").read_text().split()


def test_compose_finds_volumes_and_hosts_that_are_there():
    mounted = {
        str(one).partition(":")[0] for service in SERVICES.values() for one in service["volumes"]
    }
    assert mounted == COMPOSE["volumes"].keys()
    named = re.findall(r"http://([a-z]+):\d+|--address=([a-z]+):", json.dumps(COMPOSE))
    hosts = {host for pair in named for host in pair if host}
    assert hosts == {"prometheus", "grafana", "head"} <= SERVICES.keys()


def test_ray_reads_the_settings_that_compose_gives():
    """A misspelt variable is no error anywhere: the dashboard has no panels, and that is all."""
    from ray.dashboard.modules.metrics import metrics_head as ray_metrics

    known = {value for name, value in vars(ray_metrics).items() if name.endswith("_ENV_VAR")}
    given = SERVICES["head"]["environment"].keys() - {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
    assert given <= known and len(given) == 4


def test_prometheus_and_grafana_read_what_ray_writes(tmp_path):
    """Ray's own code writes the files; the paths are those that Compose names."""
    from ray.dashboard.modules.metrics.metrics_head import MetricsHead

    grafana = tmp_path / "metrics/grafana"
    head = types.SimpleNamespace(
        session_dir=str(tmp_path),
        _metrics_root=str(tmp_path / "metrics"),
        _grafana_config_output_path=str(grafana),
        _grafana_session_latest_config_output_path=str(grafana),
        _grafana_dashboard_output_dir=str(grafana / "dashboards"),
        _prometheus_name="Prometheus",
        _dashboard_uids={},
    )
    MetricsHead._create_default_grafana_configs(head)
    MetricsHead._create_default_prometheus_configs(head)

    named = re.findall(r"/tmp/ray/session_latest/([\w/.-]+)", json.dumps(SERVICES))
    assert {"metrics/prometheus/prometheus.yml", "metrics/grafana/grafana.ini"} < set(named)
    assert [path for path in named if not (tmp_path / path).exists()] == []


# --- ray up ---


def test_ray_knows_every_key_of_its_cluster_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(json.loads(json.dumps(CLUSTER))))


@pytest.mark.parametrize("kind", CLUSTER["available_node_types"])
def test_ec2_knows_every_key_of_a_machine(kind):
    """Ray hands `node_config` to EC2 unseen."""
    import botocore.loaders
    import botocore.model
    import botocore.validate

    api = botocore.loaders.Loader().load_service_model("ec2", "service-2")
    shape = botocore.model.ServiceModel(api, "ec2").operation_model("RunInstances").input_shape
    machine = CLUSTER["available_node_types"][kind]["node_config"]
    report = botocore.validate.validate_parameters({**machine, "MinCount": 1, "MaxCount": 1}, shape)
    assert report is None


def test_the_head_runs_no_tasks_anywhere():
    assert CLUSTER["available_node_types"]["head"]["resources"]["CPU"] == 0
    assert RAYCLUSTER["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "--num-cpus=0" in " ".join(SERVICES["head"]["command"])
    assert "--num-cpus=0" in OPEN_LAB


# --- the same in all of them ---


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_image_of_ray_is_the_one_that_is_pinned(path):
    text = path.read_text()
    assert {*re.findall(r"\bray-labs:(\d[\w.-]*)", text)} <= {TAG}
    assert {*re.findall(r"\brayproject/ray:([\w.-]+)", text)} <= {
        f"{TAG}-cpu",
        f"{TAG}-cpu-aarch64",
    }


def test_every_engine_has_the_image():
    assert f"FROM rayproject/ray:{TAG}-cpu\n" in DOCKERFILE
    assert RAYCLUSTER["spec"]["rayVersion"] == CONSTRAINTS["ray"]
    prometheus = re.search(r"^COPY --from=(prom/prometheus:\S+) ", DOCKERFILE, re.M)[1]
    assert prometheus == SERVICES["prometheus"]["image"]
    images = {container["image"] for container in _containers(MANIFESTS)}
    assert images == {CLUSTER["docker"]["image"]} == {f"registry.example.com/{IMAGE}"}
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    assert built == {IMAGE}


def test_the_image_is_made_of_what_is_there():
    extras = re.search(r'-e "\.\[([\w,]+)\]"', DOCKERFILE)[1].split(",")
    assert set(extras) <= EXTRAS.keys()
    assert "-c constraints.txt" in DOCKERFILE
    for line in re.findall(r"^COPY --chown=\S+ (.+) \S+$", DOCKERFILE, re.M):
        assert all((paths.ROOT / name).exists() for name in line.split()), line
    build = SERVICES["head"]["build"]
    context = (DEPLOY / "compose" / build["context"]).resolve()
    assert context == paths.ROOT and (context / build["dockerfile"]).exists()


def test_the_shell_can_read_the_script():
    assert subprocess.run(["sh", "-n", DEPLOY / "open-lab.sh"], check=False).returncode == 0
    assert os.access(DEPLOY / "open-lab.sh", os.X_OK)
    script = "/home/ray/ray-labs/deploy/open-lab.sh"
    commands = [SERVICES["jupyterlab"]["command"], _containers(yaml.safe_load_all(LEARNER))[0]]
    assert commands[0] == script and commands[1]["command"] == [script]
    given = SERVICES["jupyterlab"]["environment"].keys()
    asked = set(re.findall(r'"\$\{(\w+):\?\}"', OPEN_LAB))
    assert asked and asked <= given


@pytest.mark.parametrize(
    "address, started, joined",
    [
        ("auto", [], "auto"),
        ("own", ["start --head"], "auto"),
        ("head:6379", ["status --address=head:6379", "start --address=head:6379"], "head:6379"),
    ],
)
def test_the_script_finds_a_node_for_the_driver(tmp_path, address, started, joined):
    """With stand-ins for `ray` and `jupyter` that write down what they are told."""
    work, told = tmp_path / "work", tmp_path / "told"
    for name in ("ray", "jupyter"):
        stand_in = tmp_path / name
        stand_in.write_text(f'#!/bin/sh\necho "{name} $*" >> {told}\nenv > {tmp_path}/{name}.env\n')
        stand_in.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RAY_ADDRESS": address,
        "WORK": str(work),
        "JUPYTER_TOKEN": "token",
    }
    script = functools.partial(subprocess.run, [DEPLOY / "open-lab.sh"], env=environment)
    script(check=True, capture_output=True)
    first = work / "notebooks/00_start_here.ipynb"
    first.write_text("the learner's")
    script(check=True, capture_output=True)  # as after a restart
    assert first.read_text() == "the learner's"
    copied, shipped = (folder.glob("*.ipynb") for folder in (work / "notebooks", paths.NOTEBOOKS))
    assert {path.name for path in copied} == {path.name for path in shipped}

    *ray, jupyter = told.read_text().splitlines()[: len(started) + 1]
    for one, line in zip(started, ray, strict=True):
        assert line.startswith(f"ray {one}")
    assert "--ip=127.0.0.1" in jupyter and f"--ServerApp.root_dir={work}" in jupyter
    given = dict(line.split("=", 1) for line in (tmp_path / "jupyter.env").read_text().splitlines())
    assert given["RAY_ADDRESS"] == joined
    assert (given["TMPDIR"], given["RAY_TMPDIR"]) == (f"{work}/tmp", "/tmp")
    if address == "own":  # else `ray start --head` takes it for the cluster to join
        assert "RAY_ADDRESS" not in (tmp_path / "ray.env").read_text()


def test_the_script_says_what_ray_says_while_it_waits(tmp_path):
    """With a stand-in for a `ray` whose token is refused once."""
    refused = f"[ $1 = start ] || [ -e {tmp_path}/asked ] && exit; echo Traceback"
    (tmp_path / "ray").write_text(
        f"#!/bin/sh\n{refused}; echo InvalidAuthToken >&2; touch {tmp_path}/asked; exit 1\n"
    )
    (tmp_path / "jupyter").write_text("#!/bin/sh\n")
    for name in ("ray", "jupyter"):
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RAY_ADDRESS": "head:6379"}
    environment |= {"WORK": str(tmp_path / "work"), "JUPYTER_TOKEN": "token"}
    ran = subprocess.run([DEPLOY / "open-lab.sh"], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0
    assert "Waiting for the Ray at head:6379. It says: InvalidAuthToken" in ran.stdout


@pytest.mark.filterwarnings("ignore")  # what Ray's own command line imports warns of Ray's own code
def test_ray_knows_every_option_that_is_given_to_it():
    parameters = RAYCLUSTER["spec"]["headGroupSpec"]["rayStartParams"]
    commands = [("kuberay", f"ray start --{name}={value}") for name, value in parameters.items()]
    commands += itertools.chain(*(_ray_commands(path) for path in FILES))
    assert len(commands) > 10
    unknown = [(where, command) for where, command in commands if not _ray_understands(command)]
    assert unknown == []


def _ray_commands(path) -> list[tuple[str, str]]:
    """Each `ray …` that a file has somebody type, or types itself."""
    text = path.read_text().replace("\\\n", " ")
    if path.suffix == ".yaml":
        blocks = _strings(list(yaml.safe_load_all(text)))
    elif path.suffix == ".md":
        blocks = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", text, re.S)
        blocks = ["".join(pair) for pair in blocks]
    else:
        blocks = [text]
    lines = [line for block in blocks for line in re.split("[\n;&|]", block)]
    found = (
        re.search(r"^\s*(?:\w+=\S+ )*(?:exec |until said=\$\()?(ray [a-z].*)", line)
        for line in lines
    )
    return [(path.name, match[1]) for match in found if match]


def _strings(node):
    """All strings in a document, at any depth."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)


def _ray_understands(command: str) -> bool:
    """Whether `ray` has the command and all its options."""
    from ray.scripts.scripts import cli

    words = shlex.split(re.split(r" [<>2]", command)[0], comments=True)[1:]
    group = cli
    while words and hasattr(group, "commands"):
        group = group.commands.get(words.pop(0))
    if group is None:
        return False
    known = {option for parameter in group.params for option in parameter.opts}
    known |= {option for parameter in group.params for option in parameter.secondary_opts}
    words = list(itertools.takewhile(lambda word: word != "--", words))
    return {word.partition("=")[0] for word in words if word.startswith("-")} <= known


def test_the_arithmetic_of_the_workshop_page_is_right():
    page = (DEPLOY / "workshop.md").read_text().replace(",", "")
    products = re.findall(r"([\d.]+) \N{MULTIPLICATION SIGN} ([\d.]+)(?: \w+)? = ([\d.]+)", page)
    assert len(products) > 3
    for one, other, product in products:
        assert float(one) * float(other) == pytest.approx(float(product)), (one, other, product)
    sums = re.findall(r"((?:[\d.]+ \+ )+[\d.]+) = ([\d.]+)", page)
    assert sums
    for terms, total in sums:
        assert sum(map(float, terms.split(" + "))) == float(total), terms


def test_the_workshop_page_counts_what_the_manifests_ask_for():
    page = (DEPLOY / "workshop.md").read_text()
    learner, head, worker = (
        next(one["resources"]["limits"] for one in _containers(MANIFESTS) if one["name"] == name)
        for name in ("lab", "ray-head", "ray-worker")
    )

    def gib(limits):
        return limits["memory"].replace("Gi", " GiB")

    assert f"40 \N{MULTIPLICATION SIGN} {gib(learner)} =" in page
    assert f"40 \N{MULTIPLICATION SIGN} {learner['cpu']} CPUs =" in page
    assert f"{worker['cpu']} CPUs and {gib(worker)}" in page
    assert f"| {head['cpu']} CPUs, {gib(head)} |" in page
