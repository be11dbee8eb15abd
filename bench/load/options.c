/* The command line of the load generator. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/lib/cpu.h"
#include "bench/load/load.h"

static const char usage[] =
    "usage: load HOST:PORT [options]\n"
    "Sends requests to an echo server and checks every byte that comes back.\n"
    "  --connections N  connections, a task each (64)\n"
    "  --size BYTES     of a request (512)\n"
    "  --depth N        requests under way on a connection (1)\n"
    "  --seconds S      measured time (3)\n"
    "  --warmup S       before it (0.3)\n"
    "  --watch PID      take this process's CPU time over the measured time\n"
    "  --idle           open the connections, use each once, hold them until standard input ends\n"
    "  --reopen         a fresh connection for each request; depth is 1\n"
    "  --udp            datagrams: so many sockets, so many under way on each\n"
    "  --segments       with --udp: in runs that the kernel cuts apart (GSO) and joins (GRO)\n"
    "  --json           report as one JSON object\n"
    "  --progress       a line of requests/s each quarter of a second, on standard error\n";

enum {
    CONNECTIONS = 1,
    SIZE,
    DEPTH,
    SECONDS,
    WARMUP,
    WATCH,
    IDLE,
    REOPEN,
    UDP,
    SEGMENTS,
    JSON,
    PROGRESS,
    HELP
};

static const struct option names[] = {
    {"connections", required_argument, NULL, CONNECTIONS},
    {"size", required_argument, NULL, SIZE},
    {"depth", required_argument, NULL, DEPTH},
    {"seconds", required_argument, NULL, SECONDS},
    {"warmup", required_argument, NULL, WARMUP},
    {"watch", required_argument, NULL, WATCH},
    {"idle", no_argument, NULL, IDLE},
    {"reopen", no_argument, NULL, REOPEN},
    {"udp", no_argument, NULL, UDP},
    {"segments", no_argument, NULL, SEGMENTS},
    {"json", no_argument, NULL, JSON},
    {"progress", no_argument, NULL, PROGRESS},
    {"help", no_argument, NULL, HELP},
    {0},
};

/* A number within bounds, or -1 after a sentence. */
static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (*text && !*end && value >= least && value <= most)
        return value;
    fprintf(stderr, "load: --%s: %s is not a number from %g to %g\n", name, text, least, most);
    return -1;
}

static int take(struct load_options *options, int option, const char *text)
{
    double value = 0;

    switch (option) {
    case CONNECTIONS:
        options->connections = (int)(value = number("connections", text, 1, 100000));
        break;
    case SIZE:
        value = number("size", text, 1, 16 << 20);
        options->size = value < 0 ? 0 : (size_t)value;
        break;
    case DEPTH:
        options->depth = (int)(value = number("depth", text, 1, 1024));
        break;
    case SECONDS:
        options->seconds = value = number("seconds", text, 0.01, 86400);
        break;
    case WARMUP:
        options->warmup = value = number("warmup", text, 0, 86400);
        break;
    case WATCH:
        options->watch = (pid_t)(value = number("watch", text, 1, 1 << 22));
        break;
    case IDLE:
        options->idle = true;
        break;
    case REOPEN:
        options->reopen = true;
        break;
    case UDP:
        options->udp = true;
        break;
    case SEGMENTS:
        options->segments = true;
        break;
    case JSON:
        options->json = true;
        break;
    case PROGRESS:
        options->progress = true;
        break;
    default:
        return -EINVAL;
    }
    return value < 0 ? -EINVAL : 0;
}

/* What does not go together. */
static int check(const struct load_options *options)
{
    const char *what = NULL;

    if (options->idle + options->reopen + options->udp > 1)
        what = "--idle, --reopen and --udp exclude each other";
    else if (options->reopen && options->depth > 1)
        what = "--reopen has one request under way on a connection";
    else if (options->segments && !options->udp)
        what = "--segments is for --udp";
    else if (options->udp && (options->size < LOAD_PACKET_LEAST || options->size > 65507))
        what = "a datagram has a size of 16 to 65507";
    if (!what)
        return 0;
    fprintf(stderr, "load: %s\n", what);
    return -EINVAL;
}

int load_options_parse(struct load_options *options, int argc, char **argv)
{
    int option, rc;

    *options = (struct load_options){
        .connections = 64, .size = 512, .depth = 1, .seconds = 3, .warmup = 0.3};
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == HELP) {
            fputs(usage, stdout);
            return 1;
        }
        rc = take(options, option, optarg);
        if (rc < 0)
            return rc;
    }
    if (optind != argc - 1) {
        fputs(usage, stderr);
        return -EINVAL;
    }
    options->address = argv[optind];
    rc = check(options);
    if (rc < 0)
        return rc;
    if (options->watch && cpu_of_process(options->watch) < 0) {
        fprintf(stderr, "load: --watch: there is no process %d\n", (int)options->watch);
        return -EINVAL;
    }
    return 0;
}
