/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an address to listen on, as a network, and as a mode of sockets: what is taken lies
 * within the text, what is refused says so. */
#include "base/address.h"
#include "net/peer.h"
#include "net/unix_file.h"

#include "base/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char schemes[] = "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:";
    char *text = malloc(bytes + 1);
    struct address address = { .at = NULL };
    struct network network;
    struct err err = { "" };
    unsigned mode;

    CHECK(text != NULL);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (address_parse(text, schemes, &address, &err))
        CHECK(address.at > text && address.at <= text + strlen(text));
    else
        CHECK(err.text[0] != '\0');
    err.text[0] = '\0';
    if (network_parse(text, &network, &err))
        CHECK(network.bits <= 128 && network_has(&network, network.ip));
    else
        CHECK(err.text[0] != '\0');
    if (unix_file_mode(text, &mode, &err))
        CHECK(mode <= 0777);
    free(text);
    return 0;
}
