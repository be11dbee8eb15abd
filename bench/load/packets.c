/* UDP: a task with a socket keeps so many datagrams under way. Each has a place and a turn of that
 * place, so that an answer is known by what it says; what does not come back in time is sent again
 * as the place's next turn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/load.h"

#include <aio/udp.h>

enum { BATCH = AIO_SOCKET_BATCH_MAX, RUN_BYTES = 65536 };
#define LOST_NS AIO_MS(200)

struct packet_name {
    uint32_t place;
    uint32_t turn;
};

struct load_packets {
    struct aio_socket *socket;
    uint32_t *turns; /* of each place */
    uint32_t *due;   /* places whose next datagram is to be sent */
    int due_count;
    int64_t heard_ns; /* when an answer came */
    char *out;        /* a datagram for each place, in the order of `due` */
    char *in;         /* BATCH of what is received at once */
    size_t in_bytes;  /* of each of these */
    struct aio_message messages[BATCH];
    struct iovec vectors[BATCH];
    char controls[BATCH][AIO_CONTROL_SPACE(sizeof(int))];
};

static struct load_packets *packets_make(const struct load_options *options)
{
    struct load_packets *packets = calloc(1, sizeof *packets);
    size_t depth = (size_t)options->depth;

    if (!packets)
        return NULL;
    packets->in_bytes = options->segments ? RUN_BYTES : options->size + 1;
    packets->turns = calloc(depth, sizeof *packets->turns);
    packets->due = calloc(depth, sizeof *packets->due);
    packets->out = malloc(depth * options->size);
    packets->in = malloc(BATCH * packets->in_bytes);
    return packets;
}

int load_packets_open(struct load_connection *connection)
{
    const struct load_options *options = &connection->load->options;
    struct load_packets *packets = packets_make(options);
    int rc;

    connection->packets = packets;
    if (!packets || !packets->turns || !packets->due || !packets->out || !packets->in)
        return -ENOMEM;
    rc = aio_udp_connect(&packets->socket, options->address, NULL);
    if (rc == 0 && options->segments)
        rc = aio_socket_option_set(packets->socket, AIO_SOCKET_RECEIVE_SEGMENTS, 1);
    if (rc == 0)
        rc = aio_socket_option_set(packets->socket, AIO_SOCKET_RECEIVE_BUFFER, 4 << 20);
    return rc;
}

void load_packets_close(struct load_connection *connection)
{
    struct load_packets *packets = connection->packets;

    if (!packets)
        return;
    aio_socket_close(packets->socket);
    free(packets->turns);
    free(packets->due);
    free(packets->out);
    free(packets->in);
    free(packets);
    connection->packets = NULL;
}

static const char *pattern_of(const struct load_connection *connection, struct packet_name name)
{
    return load_pattern_at(connection, (uint64_t)name.place * 31 + name.turn);
}

/* Writes the datagrams that are due, one behind the other. */
static void write_due(struct load_connection *connection, int64_t now)
{
    struct load_packets *packets = connection->packets;
    size_t size = connection->load->options.size;

    for (int i = 0; i < packets->due_count; i++) {
        struct packet_name name = {packets->due[i], packets->turns[packets->due[i]]};
        char *at = packets->out + (size_t)i * size;

        memcpy(at, &name, sizeof name);
        memcpy(at + sizeof name, pattern_of(connection, name), size - sizeof name);
        connection->sent_at[name.place] = now;
    }
}

static ssize_t send_batch(struct load_packets *packets, size_t size, int first, int count)
{
    for (int i = 0; i < count; i++) {
        packets->vectors[i] = (struct iovec){packets->out + (size_t)(first + i) * size, size};
        packets->messages[i] = (struct aio_message){.vectors = &packets->vectors[i], .count = 1};
    }
    return aio_socket_send_many(packets->socket, packets->messages, count);
}

static int send_due(struct load_connection *connection, int64_t now)
{
    const struct load_options *options = &connection->load->options;
    struct load_packets *packets = connection->packets;
    ssize_t rc = 0;

    write_due(connection, now);
    if (options->segments)
        rc = aio_udp_send_run(packets->socket, packets->out,
                              (size_t)packets->due_count * options->size, options->size, NULL);
    for (int sent = 0; !options->segments && rc >= 0 && sent < packets->due_count;
         sent += (int)rc) {
        int left = packets->due_count - sent;

        rc = send_batch(packets, options->size, sent, left < BATCH ? left : BATCH);
    }
    packets->due_count = 0;
    return rc < 0 ? (int)rc : 0;
}

/* An answer. One to a turn that was taken for lost counts for nothing. */
static int take(struct load_connection *connection, const char *bytes, size_t size, int64_t now)
{
    struct load_packets *packets = connection->packets;
    struct packet_name name;

    if (size != connection->load->options.size)
        return -EILSEQ;
    memcpy(&name, bytes, sizeof name);
    if (name.place >= (uint32_t)connection->load->options.depth ||
        memcmp(bytes + sizeof name, pattern_of(connection, name), size - sizeof name))
        return -EILSEQ;
    if (name.turn != packets->turns[name.place])
        return 0;
    load_count(connection->load, now - connection->sent_at[name.place]);
    connection->received += size;
    packets->turns[name.place]++;
    packets->due[packets->due_count++] = name.place;
    return 0;
}

static int take_message(struct load_connection *connection, const struct aio_message *message,
                        int64_t now)
{
    const char *bytes = message->vectors[0].iov_base;
    size_t segment = aio_message_segment(message), left = message->bytes;
    int rc = 0;

    if (left == 0)
        return -EILSEQ;
    for (size_t part; rc == 0 && left > 0; left -= part, bytes += part) {
        part = left < segment ? left : segment;
        rc = take(connection, bytes, part, now);
    }
    return rc;
}

/* Answers did not come: each place begins a new turn. */
static void give_up(struct load_connection *connection)
{
    struct load_packets *packets = connection->packets;
    int depth = connection->load->options.depth;

    connection->load->lost += (uint64_t)depth;
    packets->due_count = 0;
    for (int i = 0; i < depth; i++) {
        packets->turns[i]++;
        packets->due[packets->due_count++] = (uint32_t)i;
    }
}

static int receive(struct load_packets *packets)
{
    int rc = 0;

    for (int i = 0; i < BATCH; i++) {
        packets->vectors[i] =
            (struct iovec){packets->in + (size_t)i * packets->in_bytes, packets->in_bytes};
        packets->messages[i] = (struct aio_message){.vectors = &packets->vectors[i],
                                                    .count = 1,
                                                    .control = packets->controls[i],
                                                    .control_room = sizeof packets->controls[i]};
    }
    AIO_TIMEOUT(LOST_NS)
    {
        rc = aio_socket_recv_many(packets->socket, packets->messages, BATCH);
    }
    return rc;
}

static int exchange(struct load_connection *connection)
{
    struct load_packets *packets = connection->packets;
    int rc = 0;

    for (int i = 0; i < connection->load->options.depth; i++)
        packets->due[packets->due_count++] = (uint32_t)i;
    while (rc >= 0 && connection->load->running) {
        int64_t now;

        rc = send_due(connection, aio_time_now());
        if (rc == 0)
            rc = receive(packets);
        now = aio_time_now();
        if (rc == -ETIMEDOUT) {
            give_up(connection);
            rc = 0;
        }
        for (int i = 0, count = rc; rc >= 0 && i < count; i++)
            rc = take_message(connection, &packets->messages[i], now);
    }
    return rc;
}

int load_packets_run(void *argument)
{
    struct load_connection *connection = argument;
    int rc = exchange(connection);

    return rc < 0 ? load_failed(connection->load, rc, connection->received) : 0;
}
