/* bench/load: how many requests an echo server answers, how fast, and whether rightly.
 *
 * Written on AIO itself, so it runs on either backend (AIO_BACKEND). Connections are opened one
 * after the other, then a task each keeps its requests under way; the first task measures. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load/load.h"

/* How long the last answers may take when the time is over. */
#define DRAIN_NS AIO_SEC(5)
#define PROGRESS_NS AIO_MS(250)
#define IDLE_LOOK_NS AIO_MS(20)

static int open_all(struct load *load, struct load_connection *connections)
{
    for (int i = 0; i < load->options.connections; i++) {
        int rc = load_connection_open(&connections[i], load, i);

        if (rc < 0) {
            fprintf(stderr, "load: connection %d to %s: %s\n", i, load->options.address,
                    aio_error_text(rc));
            return rc;
        }
    }
    return 0;
}

static int (*task_of(const struct load_options *options))(void *)
{
    if (options->udp)
        return load_packets_run;
    return options->reopen ? load_connection_reopen : load_connection_run;
}

static int start_all(struct load *load, struct load_connection *connections)
{
    load->running = true;
    for (int i = 0; i < load->options.connections; i++) {
        struct load_connection *connection = &connections[i];
        int rc = aio_task_spawn(&connection->task, task_of(&load->options), connection, NULL);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Sleeps to the end of the measured time, telling how it goes. */
static int measure(struct load *load, const struct load_reading *begin)
{
    int64_t end = begin->now_ns + (int64_t)(load->options.seconds * 1e9);
    int rc = 0;

    for (int64_t now = begin->now_ns; rc == 0 && now < end; now = aio_time_now()) {
        if (!load->options.progress) {
            rc = aio_time_sleep(end - now);
            continue;
        }
        rc = aio_time_sleep(end - now < PROGRESS_NS ? end - now : PROGRESS_NS);
        now = aio_time_now();
        fprintf(stderr, "%.2f s  %.0f requests/s\n", (double)(now - begin->now_ns) / 1e9,
                (double)load->requests * 1e9 / (double)(now - begin->now_ns));
    }
    return rc;
}

/* The answers still under way come in, or their connections are given up. Each task is joined
 * before its connection is freed. */
static void stop_all(struct load *load, struct load_connection *connections)
{
    load->running = false;
    AIO_TIMEOUT(DRAIN_NS)
    {
        for (int i = 0; i < load->options.connections; i++)
            if (connections[i].task && aio_task_join(connections[i].task, NULL) == 0)
                connections[i].task = NULL;
    }
    for (int i = 0; i < load->options.connections; i++) {
        if (!connections[i].task)
            continue;
        aio_task_cancel(connections[i].task);
        if (aio_task_join(connections[i].task, NULL) == 0)
            connections[i].task = NULL;
    }
}

/* An interrupt ends the measuring early; what was measured is still reported. The answers that come
 * after the end are checked like the others, but not among the figures. */
static int run(struct load *load, struct load_connection *connections)
{
    struct load_reading begin, end;
    bool measured = false;
    int rc = start_all(load, connections);

    if (rc == 0)
        rc = aio_time_sleep((int64_t)(load->options.warmup * 1e9));
    if (rc == 0) {
        load->requests = 0;
        histogram_clear(&load->latency);
        begin = load_read(load);
        rc = measure(load, &begin);
        end = load_read(load);
        measured = true;
    }
    AIO_SHIELD
    {
        stop_all(load, connections);
    }
    if (measured)
        load_report(load, &begin, &end);
    return rc;
}

/* Everything has been used once; now it only waits. */
static int hold(struct load *load, struct load_connection *connections)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int rc = 0;

    for (int i = 0; rc == 0 && i < load->options.connections; i++)
        rc = load_connection_once(&connections[i]);
    if (rc < 0)
        return rc;
    printf("{\"connected\": %d}\n", load->options.connections);
    fflush(stdout);
    while (rc == 0 && poll(&input, 1, 0) == 0)
        rc = aio_time_sleep(IDLE_LOOK_NS);
    return rc;
}

static int load_all(struct load *load)
{
    size_t longest = load->options.size * (size_t)load->options.depth;
    struct load_connection *connections =
        calloc((size_t)load->options.connections, sizeof *connections);
    int rc = connections ? load_pattern_make(longest) : -ENOMEM;

    if (rc == 0)
        rc = open_all(load, connections);
    if (rc == 0)
        rc = load->options.idle ? hold(load, connections) : run(load, connections);
    for (int i = 0; connections && i < load->options.connections; i++)
        load_connection_close(&connections[i]);
    free(connections);
    load_pattern_free();
    return rc;
}

AIO_MAIN(argc, argv)
{
    static struct load load;
    int rc = load_options_parse(&load.options, argc, argv);

    if (rc != 0)
        return rc < 0 ? 2 : 0;
    rc = aio_signal_shutdown();
    if (rc == 0)
        rc = load_all(&load);
    if (load.wrong || load.errors)
        return 1;
    return aio_error_exit(rc, "load");
}
