/* SPDX-License-Identifier: Apache-2.0 */
/* config_fuzz: any text is either settings that hold what they promise, or a problem. */
#include "config/settings.h"

#include "../unit/config/fake_catalog.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct slice text = { (const char *)data, bytes };
    struct settings settings;
    struct buf problems = { 0 };

    if (settings_parse("fuzz.yaml", text, &fake_catalog, &settings, &problems)) {
        uint64_t held = 0;
        CHECK(problems.bytes == 0 && settings.input_count > 0 && settings.output_count > 0);
        for (size_t i = 0; i < settings.output_count; i++) {
            held += settings.sealed_bytes[i];
            for (size_t j = 0; j < settings.outputs[i].link_count; j++)
                held += settings.inputs[settings.outputs[i].links[j]].lane_bytes;
        }
        CHECK(held < settings.agent.memory_limit);
    } else {
        CHECK(problems.bytes > 0 && settings.memory == NULL);
    }
    settings_free(&settings);
    buf_fini(&problems);
    return 0;
}
