# SPDX-License-Identifier: Apache-2.0
"""The manifests: kustomize builds them, the schema of each kind takes them, no field is unknown to it,
and the configuration in them passes `spillway check`. No cluster is there to try them."""

import copy
import json
import re
import shutil
import subprocess

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


def test_volumes_and_mounts_fit_together():
    spec = next(d for d in manifests("base") if d["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/run/spillway", "/var/lib/spillway"}
    books = next(volume for volume in spec["volumes"] if volume["name"] == "books")
    assert books["emptyDir"]["medium"] == "Memory"
