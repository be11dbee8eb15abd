/* One connection of the load: a task that writes requests, reads the answers and compares them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/load.h"

enum { PERIOD = 4093 };

/* PERIOD bytes, repeated as far as one write reaches: any part of a stream of bytes stands here in
 * one piece, to send from and to compare with, and all connections share it. */
static char *pattern;

int load_pattern_make(size_t longest)
{
    uint32_t random = 2463534242u;

    pattern = malloc(PERIOD + longest);
    if (!pattern)
        return -ENOMEM;
    for (size_t i = 0; i < PERIOD + longest; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        pattern[i] = i < PERIOD ? (char)random : pattern[i - PERIOD];
    }
    return 0;
}

void load_pattern_free(void)
{
    free(pattern);
    pattern = NULL;
}

const char *load_pattern_at(const struct load_connection *connection, uint64_t position)
{
    return pattern + (connection->base + position) % PERIOD;
}

int load_connection_open(struct load_connection *connection, struct load *load, int number)
{
    size_t depth = (size_t)load->options.depth;

    connection->load = load;
    connection->base = (uint32_t)number * 271u % PERIOD;
    connection->buffer = malloc(load->options.size * depth);
    connection->sent_at = calloc(depth, sizeof *connection->sent_at);
    if (!connection->buffer || !connection->sent_at)
        return -ENOMEM;
    if (load->options.udp)
        return load_packets_open(connection);
    if (load->options.reopen)
        return 0;
    return aio_tcp_connect(&connection->stream, load->options.address);
}

void load_connection_close(struct load_connection *connection)
{
    load_packets_close(connection);
    aio_stream_close(connection->stream);
    free(connection->buffer);
    free(connection->sent_at);
    *connection = (struct load_connection){0};
}

static int send_requests(struct load_connection *connection, int64_t now, uint64_t count)
{
    const struct load_options *options = &connection->load->options;
    size_t bytes = count * options->size;
    uint64_t first = connection->sent / options->size;
    ssize_t rc;

    for (uint64_t i = first; i < first + count; i++)
        connection->sent_at[i % (uint64_t)options->depth] = now;
    rc = aio_stream_write_all(connection->stream, load_pattern_at(connection, connection->sent),
                              bytes, NULL);
    connection->sent += bytes;
    return rc < 0 ? (int)rc : 0;
}

/* Reads what is there and compares it. The number of answers completed by it, or an error. */
static int receive_answers(struct load_connection *connection)
{
    const struct load_options *options = &connection->load->options;
    uint64_t before = connection->received / options->size;
    size_t wanted = (size_t)(connection->sent - connection->received);
    ssize_t got = aio_stream_read(connection->stream, connection->buffer, wanted);

    if (got <= 0)
        return got == 0 ? -ECONNRESET : (int)got;
    if (memcmp(connection->buffer, load_pattern_at(connection, connection->received), (size_t)got))
        return -EILSEQ;
    connection->received += (uint64_t)got;
    return (int)(connection->received / options->size - before);
}

void load_count(struct load *load, int64_t latency_ns)
{
    load->requests_total++;
    if (!load->running)
        return;
    histogram_add(&load->latency, latency_ns);
    load->requests++;
}

static void count_answers(struct load_connection *connection, int64_t now, int count)
{
    struct load *load = connection->load;
    uint64_t end = connection->received / load->options.size;

    for (uint64_t i = end - (uint64_t)count; i < end; i++)
        load_count(load, now - connection->sent_at[i % (uint64_t)load->options.depth]);
}

/* The clock is read once per answer: it ends one request and begins the next. */
static int exchange(struct load_connection *connection)
{
    int rc = send_requests(connection, aio_time_now(), (uint64_t)connection->load->options.depth);

    while (rc == 0 && connection->received < connection->sent) {
        int answers = receive_answers(connection);
        int64_t now;

        if (answers < 0)
            return answers;
        if (answers == 0)
            continue;
        now = aio_time_now();
        count_answers(connection, now, answers);
        if (connection->load->running)
            rc = send_requests(connection, now, (uint64_t)answers);
    }
    return rc;
}

static const char *what_failed(const struct load *load, int rc)
{
    if (rc == -EILSEQ)
        return "wrong bytes";
    if (rc == -ECANCELED && !load->running)
        return "an answer did not come";
    return rc == -ECONNRESET ? "the server closed the connection" : aio_error_text(rc);
}

int load_failed(struct load *load, int rc, uint64_t received)
{
    if (rc == -EILSEQ)
        load->wrong++;
    else
        load->errors++;
    if (load->wrong + load->errors == 1)
        fprintf(stderr, "load: %s after %llu bytes\n", what_failed(load, rc),
                (unsigned long long)received);
    return rc;
}

int load_connection_run(void *argument)
{
    struct load_connection *connection = argument;
    int rc = exchange(connection);

    return rc < 0 ? load_failed(connection->load, rc, connection->received) : 0;
}

int load_connection_once(struct load_connection *connection)
{
    int rc = send_requests(connection, 0, 1);

    while (rc >= 0 && connection->received < connection->sent)
        rc = receive_answers(connection);
    return rc < 0 ? load_failed(connection->load, rc, connection->received) : 0;
}

/* A connection from its start to its end, with one request. */
static int visit(struct load_connection *connection)
{
    int64_t begin = aio_time_now();
    int rc = aio_tcp_connect(&connection->stream, connection->load->options.address);

    if (rc == 0)
        rc = send_requests(connection, begin, 1);
    while (rc >= 0 && connection->received < connection->sent)
        rc = receive_answers(connection);
    if (rc >= 0)
        count_answers(connection, aio_time_now(), 1);
    aio_stream_close(connection->stream);
    connection->stream = NULL;
    return rc < 0 ? rc : 0;
}

int load_connection_reopen(void *argument)
{
    struct load_connection *connection = argument;
    int rc = 0;

    while (rc == 0 && connection->load->running)
        rc = visit(connection);
    return rc < 0 ? load_failed(connection->load, rc, connection->received) : 0;
}
