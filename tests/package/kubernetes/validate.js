// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of manifests; prints what the schema of each kind says against it.
const manifests = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const manifest of manifests) {
    const version = manifest.apiVersion;
    const kind = require("kubernetes-models/" + version + "/" + manifest.kind)[manifest.kind];
    try {
        new kind(manifest).validate();
    } catch (error) {
        console.log(manifest.kind + " " + manifest.metadata.name + ": " + error.message);
    }
}
