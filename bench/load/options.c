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
    "  --json           report as one JSON object\n"
    "  --progress       a line of requests/s each quarter of a second, on standard error\n";

enum { CONNECTIONS = 1, SIZE, DEPTH, SECONDS, WARMUP, WATCH, IDLE, JSON, PROGRESS, HELP };

static const struct option names[] = {
    {"connections", required_argument, NULL, CONNECTIONS},
    {"size", required_argument, NULL, SIZE},
    {"depth", required_argument, NULL, DEPTH},
    {"seconds", required_argument, NULL, SECONDS},
    {"warmup", required_argument, NULL, WARMUP},
    {"watch", required_argument, NULL, WATCH},
    {"idle", no_argument, NULL, IDLE},
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
    if (options->watch && cpu_of_process(options->watch) < 0) {
        fprintf(stderr, "load: --watch: there is no process %d\n", (int)options->watch);
        return -EINVAL;
    }
    return 0;
}
