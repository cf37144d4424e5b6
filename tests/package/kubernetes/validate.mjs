// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of manifests; prints what the schema of each kind says against it.
import { readFileSync } from "node:fs";

for (const manifest of JSON.parse(readFileSync(0, "utf8"))) {
    const kinds = await import("kubernetes-models/" + manifest.apiVersion + "/" + manifest.kind);
    try {
        new kinds[manifest.kind](manifest).validate();
    } catch (error) {
        console.log(manifest.kind + " " + manifest.metadata.name + ": " + error.message);
    }
}
