# SPDX-License-Identifier: Apache-2.0
"""The manifests: kustomize builds them, the schema of each kind takes them, no field is unknown to it,
and the configuration in them passes `spillway check`. No cluster is there to try them."""

import copy
import json
import re
import shutil
import subprocess
import time

import pytest

from root import ROOT

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.long
MODELS = ROOT / "build/kubernetes-models"
KUSTOMIZATIONS = ["base", "example"]


@pytest.fixture(scope="module")
def models():
    if shutil.which("npm") is None:
        pytest.skip("npm is not there: packages_package_test in packaging/debian-packages.sh")
    MODELS.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "tests/package/kubernetes").iterdir():
        shutil.copy(path, MODELS)
    if not (MODELS / "node_modules").exists():
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=MODELS,
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    return MODELS / "node_modules"


def manifests(name):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not there: packages_package_test in packaging/debian-packages.sh")
    done = subprocess.run(["kubectl", "kustomize", ROOT / "packaging/kubernetes" / name], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


class Types:
    """The fields of each kind, from the declarations that come with the schemas."""

    def __init__(self, folder):
        self.folder = folder
        self._known = {}

    def fields(self, path):
        """field → path of its type's declaration, "" where it has none of its own"""
        if path not in self._known:
            text = (self.folder / f"{path}.d.ts").read_text()
            imports = {name: self._place(path, where.removesuffix(".js")) for name, where in
                       re.findall(r'^import \{ (\w+) \} from "([^"]+)";', text, re.MULTILINE)}
            body = re.search(r"^export interface \w+ (?:extends TypeMeta )?\{\n(.*?)^\}", text,
                             re.MULTILINE | re.DOTALL)[1]
            self._known[path] = {
                name: next((imports[word] for word in re.findall(r"\w+", kind) if word in imports),
                           None if "{" in kind else "")
                for name, kind in re.findall(r'^ {4}"(\w+)"\??: (.*?)[;\n]', body, re.MULTILINE)}
        return self._known[path]

    @staticmethod
    def _place(path, where):
        if not where.startswith("."):
            return where
        parts = path.split("/")[:-1]
        for step in where.split("/"):
            if step == "..":
                parts.pop()
            elif step != ".":
                parts.append(step)
        return "/".join(parts)

    def unknown(self, value, path, at):
        if isinstance(value, list):
            return [found for item in value for found in self.unknown(item, path, at)]
        if not isinstance(value, dict) or path is None or path == "":
            return []
        known, found = self.fields(path), []
        for key, part in value.items():
            if key not in known:
                found.append(f"{at}.{key}")
            else:
                found += self.unknown(part, known[key], f"{at}.{key}")
        return found


def problems(models, documents):
    types = Types(models)
    done = subprocess.run(["node", MODELS / "validate.mjs"], input=json.dumps(documents), capture_output=True,
                          text=True, timeout=60, cwd=MODELS)
    assert done.returncode == 0, done.stderr
    unknown = [name for document in documents for name in
               types.unknown(document, f"kubernetes-models/{document['apiVersion']}/{document['kind']}",
                             document["kind"])]
    return done.stdout.splitlines() + unknown


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_each_manifest_is_what_its_schema_wants_and_has_no_other_field(models, name):
    documents = manifests(name)
    assert {document["kind"] for document in documents} == \
        {"Namespace", "ServiceAccount", "ConfigMap", "DaemonSet"}
    assert problems(models, documents) == []


def test_a_wrong_type_and_an_unknown_field_anywhere_are_found(models):
    """The check itself: without it a misspelt field would be dropped by the cluster without a word."""
    documents = manifests("base")
    daemon_set = next(i for i, document in enumerate(documents) if document["kind"] == "DaemonSet")

    def with_changed(change):
        changed = copy.deepcopy(documents)
        change(changed[daemon_set]["spec"]["template"]["spec"])
        return problems(models, changed)

    container = "DaemonSet.spec.template.spec.containers"
    assert with_changed(lambda spec: spec["containers"][0].update(livenesProbe={})) == [f"{container}.livenesProbe"]
    assert with_changed(lambda spec: spec["containers"][0]["securityContext"].update(runAsUsr=1)) == \
        [f"{container}.securityContext.runAsUsr"]
    assert with_changed(lambda spec: spec["volumes"][0].update(emptyDirr={})) != []
    assert with_changed(lambda spec: spec["containers"][0].update(image=5)) != []


def test_the_configuration_in_it_is_valid(deb, folder):
    place = folder / "kubernetes"
    subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
    config = place / "config"
    (config / "conf.d").mkdir(parents=True)
    for document in manifests("example"):
        for key, text in (document.get("data") or {}).items():
            text = text.replace("/etc/spillway/token", str(config / "token"))
            (config / ("conf.d" if key == "output.yaml" else "") / key).write_text(text)
    (config / "token").write_text("hush\n")
    done = subprocess.run([place / "usr/bin/spillway", "check", "-c", config / "spillway.yaml"],
                          capture_output=True, text=True, timeout=60, env={"NODE_NAME": "node-1"})
    assert done.returncode == 0 and "pods -> main" in done.stdout, done.stdout + done.stderr


def wait(look, what, timeout=60):
    deadline = time.monotonic() + timeout
    while not look():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def test_with_it_a_pods_lines_have_what_the_kubelets_names_say_and_its_own_do_not_come(deb, folder):
    """The DaemonSet's configuration, run on this host with the paths of a node that are in a folder."""
    place = folder / "node"
    subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
    config = next(document["data"]["spillway.yaml"] for document in manifests("base")
                  if document["kind"] == "ConfigMap")
    config = config.replace("/var/log/pods", f"{place}/pods").replace("root_path: /host", f"root_path: {place}/host")
    for pod, text in (("spillway_spillway-x2x_11-22/spillway/0.log", "its own"),
                      ("shop_web-7d4b9_0f3c-55aa/nginx/3.log", "hello from a pod")):
        log = place / "pods" / pod
        log.parent.mkdir(parents=True)
        log.write_text(f"2026-11-28T10:00:00.000000001Z stderr F {text}\n")
    (place / "host").mkdir()
    (place / "host/proc").symlink_to("/proc")
    (place / "conf/conf.d").mkdir(parents=True)
    (place / "conf/spillway.yaml").write_text(config)
    (place / "conf/conf.d/output.yaml").write_text(
        f"agent: {{state_dir: {place}/state, runtime_dir: {place}/run}}\noutputs: {{main: {{type: stdout}}}}\n")
    said, log = place / "said", place / "log"
    with open(said, "wb") as out, open(log, "wb") as err:
        agent = subprocess.Popen([place / "usr/bin/spillway", "run", "-c", place / "conf/spillway.yaml"], stdout=out,
                                 stderr=err, env={"NODE_NAME": "node-1"})
    try:
        wait(lambda: agent.poll() is not None or
             "hello from a pod" in said.read_text() and "system." in said.read_text(), log.read_text)
    finally:
        agent.terminate()
    assert agent.wait(60) == 0, log.read_text()
    events = [json.loads(line) for line in said.read_text().splitlines()]
    line = next(event for event in events if event.get("body") == "hello from a pod")
    assert line["resource"].items() >= {
        "k8s.namespace.name": "shop", "k8s.pod.name": "web-7d4b9", "k8s.pod.uid": "0f3c-55aa",
        "k8s.container.name": "nginx", "k8s.container.restart_count": 3, "k8s.node.name": "node-1"}.items(), line
    assert line["attributes"]["log.iostream"] == "stderr" and line["time"] == "2026-11-28T10:00:00.000000001Z"
    assert "its own" not in [event.get("body") for event in events]
    assert all(event["resource"]["k8s.node.name"] == "node-1" for event in events)


def test_volumes_and_mounts_fit_together():
    spec = next(d for d in manifests("base") if d["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/run/spillway", "/var/lib/spillway"}
    books = next(volume for volume in spec["volumes"] if volume["name"] == "books")
    assert books["emptyDir"]["medium"] == "Memory"
