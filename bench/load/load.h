/* The load generator's parts: what was asked for, what is counted, the connections.
 *
 * Everything runs on one thread, in tasks: one per connection, and the first one, which opens the
 * connections, keeps the time and reports. */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <aio/aio.h>

#include "bench/lib/histogram.h"

struct load_options {
    const char *address;
    int connections;
    size_t size; /* bytes of a request */
    int depth;   /* requests under way on a connection */
    double seconds;
    double warmup;
    pid_t watch; /* the server, whose CPU time is taken over the same time; 0: nobody */
    bool idle;
    bool reopen;   /* a connection for each request */
    bool udp;      /* datagrams; a connection is a socket then */
    bool segments; /* UDP: runs that the kernel cuts apart and puts together */
    bool json;
    bool progress;
};

/* 0; 1 when --help was answered; -EINVAL after a sentence on standard error. */
int load_options_parse(struct load_options *options, int argc, char **argv);

/* Shared by all tasks. */
struct load {
    struct load_options options;
    bool running;            /* cleared when the time is over: no new requests */
    uint64_t requests;       /* answered in the measured time */
    uint64_t requests_total; /* answered since the start */
    uint64_t wrong;          /* answers that were not the bytes sent */
    uint64_t errors;         /* connections that failed or were closed by the server */
    uint64_t lost;           /* datagrams that did not come back in time */
    struct histogram latency;
};

/* A moment's readings; two of them make a report. */
struct load_reading {
    int64_t now_ns;
    int64_t own_cpu_ns;
    int64_t server_cpu_ns;
};

struct load_connection {
    struct load *load;
    struct aio_stream *stream;
    struct aio_task *task;
    char *buffer;
    int64_t *sent_at; /* of the depth requests under way, a ring */
    uint32_t base;    /* where in the pattern its stream of bytes begins */
    uint64_t sent;    /* bytes so far */
    uint64_t received;
    struct load_packets *packets; /* of UDP, which has no stream */
};

/* The stream of bytes a connection sends is the pattern, over and over, from a place of its own.
 * The period is a prime, so that requests lost, doubled or swapped do not fall on equal bytes. */
int load_pattern_make(size_t longest);
void load_pattern_free(void);
const char *load_pattern_at(const struct load_connection *connection, uint64_t position);

/* Connects; memory and stream belong to the caller also after an error. */
int load_connection_open(struct load_connection *connection, struct load *load, int number);
void load_connection_close(struct load_connection *connection);

/* A task: requests and answers until load->running is false, then the answers still under way. */
int load_connection_run(void *connection);

/* The same with a fresh connection for each request. */
int load_connection_reopen(void *connection);

/* A datagram holds at least its own number. */
#define LOAD_PACKET_LEAST 16

/* UDP, in packets.c: opening, closing, and the task. */
int load_packets_open(struct load_connection *connection);
void load_packets_close(struct load_connection *connection);
int load_packets_run(void *connection);

/* Counts answers and how long each took; the first failure is told, all are counted. */
void load_count(struct load *load, int64_t latency_ns);
int load_failed(struct load *load, int rc, uint64_t received);

/* One request and its answer. */
int load_connection_once(struct load_connection *connection);

struct load_reading load_read(const struct load *load);
void load_report(const struct load *load, const struct load_reading *begin,
                 const struct load_reading *end);

#endif
