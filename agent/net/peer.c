/* SPDX-License-Identifier: Apache-2.0 */
#include "net/peer.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { IP_BITS = 128, IPV4_BITS = 32, MAPPED_BYTES = 12 };
static const uint8_t mapped[MAPPED_BYTES] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void add_zone(struct peer *peer, const struct sockaddr_in6 *from)
{
    char name[IF_NAMESIZE];
    size_t used = strlen(peer->address);

    if (IN6_IS_ADDR_LINKLOCAL(&from->sin6_addr) && from->sin6_scope_id != 0 &&
        if_indextoname(from->sin6_scope_id, name) != NULL)
        (void)snprintf(peer->address + used, sizeof(peer->address) - used, "%%%s", name);
}

void peer_of(const struct sockaddr_storage *from, struct peer *ret)
{
    *ret = (struct peer){ .port = 0 };
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        memcpy(ret->ip, mapped, sizeof(mapped));
        memcpy(ret->ip + MAPPED_BYTES, &in->sin_addr, sizeof(in->sin_addr));
        ret->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        memcpy(ret->ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
        ret->port = ntohs(in6->sin6_port);
    } else {
        return;
    }
    if (memcmp(ret->ip, mapped, sizeof(mapped)) == 0) {
        (void)inet_ntop(AF_INET, ret->ip + MAPPED_BYTES, ret->address, sizeof(ret->address));
    } else {
        (void)inet_ntop(AF_INET6, ret->ip, ret->address, sizeof(ret->address));
        add_zone(ret, (const struct sockaddr_in6 *)from);
    }
    ret->address_bytes = (uint8_t)strlen(ret->address);
}

static bool parse_bits(const char *text, unsigned most, unsigned *ret)
{
    unsigned bits = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        bits = bits * 10 + (unsigned)(text[i] - '0');
    *ret = bits;
    return bits <= most;
}

static bool parse_ip(const char *text, uint8_t ret[16], unsigned *ret_most)
{
    if (inet_pton(AF_INET6, text, ret) == 1) {
        *ret_most = IP_BITS;
        return true;
    }
    memcpy(ret, mapped, sizeof(mapped));
    *ret_most = IPV4_BITS;
    return inet_pton(AF_INET, text, ret + MAPPED_BYTES) == 1;
}

/* The bits behind the network's own must be zero: 10.0.0.1/8 is a slip. */
static bool is_clean(const struct network *network)
{
    struct network rest = *network;

    for (unsigned bit = 0; bit < network->bits; bit++)
        rest.ip[bit / 8] = (uint8_t)(rest.ip[bit / 8] & ~(0x80 >> bit % 8));
    for (size_t i = 0; i < sizeof(rest.ip); i++) {
        if (rest.ip[i] != 0)
            return false;
    }
    return true;
}

bool network_parse(const char *text, struct network *ret, struct err *err)
{
    struct network network = { .bits = 0 };
    const char *slash = strchr(text, '/');
    size_t bytes = slash == NULL ? strlen(text) : (size_t)(slash - text);
    char address[PEER_TEXT];
    unsigned most = 0, bits = 0;
    bool whole = bytes < sizeof(address);

    if (whole) {
        memcpy(address, text, bytes);
        address[bytes] = '\0';
        whole = parse_ip(address, network.ip, &most);
        bits = most;
    }
    if (!whole || (slash != NULL && !parse_bits(slash + 1, most, &bits)))
        return err_set(err, "'%.80s' is no network: write one as in 192.0.2.0/24 or 2001:db8::/32",
                       text);
    network.bits = (uint8_t)(IP_BITS - most + bits);
    if (!is_clean(&network))
        return err_set(err, "'%.80s' has bits behind the /%u: write the network's own address",
                       text, bits);
    *ret = network;
    return true;
}

bool network_has(const struct network *network, const uint8_t ip[16])
{
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;

    if (memcmp(network->ip, ip, whole) != 0)
        return false;
    return rest == 0 || ((network->ip[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}
