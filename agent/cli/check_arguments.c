/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_arguments.h"

#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: spillway check [-c FILE] [--explain] [--env] [--rate N/s [--event-bytes N] [--ratio "
    "R]]\n\n"
    "  -c, --config FILE    the configuration (default /etc/spillway/spillway.yaml)\n"
    "      --explain        the way of the events in words, and each option's value and origin\n"
    "      --env            then: is everything there that it needs? Run it as the agent's user\n"
    "      --rate N/s       what it can hold when so many events come in at each input\n"
    "      --event-bytes N  their size (default 250): the line, without what is added to it\n"
    "      --ratio R        how well batches compress (default 4, that is 4:1): an assumption\n\n"
    "Prints every problem with its place, or what would run. Without --env it opens no socket and\n"
    "creates no file.\n\n"
    "--env looks at files, folders and free space, binds the port of agent.admin.listen and lets\n"
    "it go, looks up the names of endpoints, connects, does the TLS handshake, and asks each with\n"
    "HEAD, which carries no event and changes nothing: once with the configured headers and\n"
    "credentials and, if that is not refused, once without, to see whether they are asked for.\n"
    "401 and 403 are a failure; any other answer says that the endpoint is there. It takes at "
    "most\n"
    "ten seconds a request, and creates nothing.\n\n"
    "Exit codes: 0 all is fine, 1 the configuration is fine but something is not there,\n"
    "78 the configuration is wrong, 2 this command line is.\n";

enum { OPTION_EXPLAIN = 256, OPTION_ENV, OPTION_RATE, OPTION_EVENT_BYTES, OPTION_RATIO };

static bool read_ratio(const char *text, double *ret, struct err *err)
{
    char *end = NULL;
    double ratio = strtod(text, &end);

    if (end == text || *end != '\0' || !(ratio >= 0.5 && ratio <= 1000))
        return err_set(err, "--ratio: '%s' is not a number from 0.5 to 1000", text);
    *ret = ratio;
    return true;
}

static bool read_rate(const char *text, uint64_t *ret, struct err *err)
{
    uint64_t rate = 0;

    if (!options_rate("--rate", text, &rate, err))
        return false;
    if (rate == 0)
        return err_set(err, "--rate: must not be 0");
    *ret = rate;
    return true;
}

static bool read_option(int option, const char *text, struct check_arguments *ret, struct err *err)
{
    switch (option) {
    case 'c':
        ret->config = text;
        return true;
    case OPTION_EXPLAIN:
        return ret->explain = true;
    case OPTION_ENV:
        return ret->env = true;
    case OPTION_RATE:
        return read_rate(text, &ret->rate_per_s, err);
    case OPTION_EVENT_BYTES:
        return options_size("--event-bytes", text, &ret->event_bytes, err) &&
               ((ret->event_bytes > 0 && ret->event_bytes <= 1 << 20) ||
                err_set(err, "--event-bytes: from 1 to 1MiB"));
    case OPTION_RATIO:
        return read_ratio(text, &ret->ratio, err);
    default:
        return err_set(err, "%s", "");
    }
}

static bool refuse(const char *text, int *ret_exit)
{
    if (text[0] != '\0')
        (void)fprintf(stderr, "spillway check: %s\n", text);
    (void)fputs(help, stderr);
    *ret_exit = EXIT_USAGE;
    return false;
}

bool check_arguments(int argc, char **argv, struct check_arguments *ret, int *ret_exit)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "explain", no_argument, NULL, OPTION_EXPLAIN },
        { "env", no_argument, NULL, OPTION_ENV },
        { "rate", required_argument, NULL, OPTION_RATE },
        { "event-bytes", required_argument, NULL, OPTION_EVENT_BYTES },
        { "ratio", required_argument, NULL, OPTION_RATIO },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct err err = { "" };
    bool has_detail = false;

    *ret = (struct check_arguments){ .config = "/etc/spillway/spillway.yaml",
                                     .event_bytes = 250,
                                     .ratio = 4 };
    for (int option; (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            *ret_exit = EXIT_SUCCESS;
            return false;
        }
        if (!read_option(option, optarg, ret, &err))
            return refuse(err.text, ret_exit);
        has_detail = has_detail || option == OPTION_EVENT_BYTES || option == OPTION_RATIO;
    }
    if (optind < argc)
        (void)err_set(&err, "'%.200s' is not an option: a configuration is given by -c",
                      argv[optind]);
    else if (has_detail && ret->rate_per_s == 0)
        (void)err_set(&err, "--event-bytes and --ratio need --rate");
    return err.text[0] == '\0' || refuse(err.text, ret_exit);
}
