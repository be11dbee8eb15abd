/*
 * All ways to send and to receive datagrams in a random mixture, with deadlines, cancels, held
 * buffers, and sockets that change hands: each datagram comes once, whole, and in its turn.
 */
#define SUITE "udp_mixed"
#include "tests/behaviour/packet_support.h"

#include <aio/buf.h>
#include <aio/select.h>
#include <stdlib.h>
#include <string.h>

enum { DATAGRAMS = 600, WINDOW = 48, KEPT = 5, LONGEST = 1400 };

struct mixture {
    struct aio_socket *near;
    struct aio_socket *far;
    unsigned sent;
    unsigned received;
    unsigned dice[2]; /* the sender's, the receiver's */
    bool segments;    /* the kernel may put some together */
    struct aio_buffer *kept[KEPT];
};

static unsigned roll(unsigned *dice, unsigned sides)
{
    *dice = *dice * 1103515245u + 12345u;
    return (*dice >> 16) % sides;
}

/* Some are empty, some stand in rows of one length. */
static size_t size_of(unsigned number)
{
    return number % 11 == 0 ? 0 : number % 40 < 20 ? 64 : number * 7919u % LONGEST;
}

static void fill(void *bytes, unsigned number)
{
    test_pattern_fill(bytes, size_of(number), (uint64_t)number * LONGEST);
}

static struct aio_buffer *buffer_of(unsigned number)
{
    struct aio_buffer *buffer;
    AIO_CHECK_OK(aio_buffer_rent(&buffer));
    AIO_CHECK_OK(aio_buffer_resize(buffer, size_of(number)));
    fill(aio_buffer_data(buffer), number);
    return buffer;
}

/* As many of one length as stand there in a row, in one buffer. */
static int send_run(struct mixture *mixture)
{
    struct aio_buffer *buffer;
    unsigned first = mixture->sent, count = 0;
    size_t size = size_of(first);
    AIO_CHECK_OK(aio_buffer_rent(&buffer));
    do
        fill((char *)aio_buffer_data(buffer) + count * size, first + count);
    while (++count < 8 && size > 0 && size_of(first + count) == size && first + count < DATAGRAMS &&
           (count + 1) * size <= aio_buffer_room(buffer));
    AIO_CHECK_OK(aio_buffer_resize(buffer, count * size));
    AIO_CHECK_OK(aio_udp_give_run(mixture->near, buffer, size, NULL));
    return (int)count;
}

static int send_batch(struct mixture *mixture)
{
    static char bytes[4][LONGEST];
    struct aio_message messages[4];
    struct iovec vectors[4];
    int count = 0;
    for (; count < 4 && mixture->sent + (unsigned)count < DATAGRAMS; count++) {
        fill(bytes[count], mixture->sent + (unsigned)count);
        vectors[count] = (struct iovec){bytes[count], size_of(mixture->sent + (unsigned)count)};
        messages[count] = (struct aio_message){.vectors = &vectors[count], .count = 1};
    }
    AIO_CHECK_EQ(aio_socket_send_many(mixture->near, messages, count), count);
    return count;
}

static int send_plain(struct mixture *mixture)
{
    char bytes[LONGEST];
    size_t size = size_of(mixture->sent);
    fill(bytes, mixture->sent);
    AIO_CHECK_EQ(aio_socket_send(mixture->near, bytes, size), size);
    return 1;
}

static int send_some(struct mixture *mixture)
{
    switch (roll(&mixture->dice[0], 5)) {
    case 0:
        return send_plain(mixture);
    case 1:
        return send_batch(mixture);
    case 2:
        return send_run(mixture);
    default:
        AIO_CHECK_OK(aio_socket_give(mixture->near, buffer_of(mixture->sent), NULL));
        return 1;
    }
}

static int send_all(void *arg)
{
    struct mixture *mixture = arg;
    while (mixture->sent < DATAGRAMS) {
        if (mixture->sent - mixture->received < WINDOW)
            mixture->sent += (unsigned)send_some(mixture);
        else if (aio_task_yield() < 0)
            return 1;
    }
    return aio_socket_flush(mixture->near);
}

/* Compares the next datagram. */
static void take(struct mixture *mixture, const void *bytes, size_t size, size_t whole)
{
    unsigned number = mixture->received++;
    AIO_CHECK_EQ(whole, size_of(number));
    AIO_CHECK_EQ(size, whole);
    AIO_CHECK(test_pattern_check(bytes, size, (uint64_t)number * LONGEST));
}

/* A datagram, or some that the kernel has put together. */
static void take_run(struct mixture *mixture, const char *bytes, size_t size, size_t segment)
{
    size_t done = 0;
    do {
        size_t part = size - done > segment ? segment : size - done;
        take(mixture, bytes + done, part, part);
        done += part;
    } while (done < size);
}

static int take_rented(struct mixture *mixture)
{
    struct aio_message message = {.vectors = NULL};
    struct aio_buffer *buffer, **kept = &mixture->kept[roll(&mixture->dice[1], KEPT)];
    ssize_t n = aio_socket_rent(mixture->far, &buffer, &message);
    if (n < 0)
        return (int)n;
    take_run(mixture, aio_buffer_data(buffer), (size_t)n, aio_message_segment(&message));
    aio_buffer_release(*kept);
    *kept = buffer;
    return 0;
}

static int take_plain(struct mixture *mixture)
{
    static char bytes[65536];
    char control[AIO_CONTROL_BYTES];
    struct iovec vector = {bytes, sizeof bytes};
    struct aio_message message = {
        .vectors = &vector, .count = 1, .control = control, .control_room = sizeof control};
    int rc = aio_socket_recvmsg(mixture->far, &message);
    if (rc < 0)
        return rc;
    take_run(mixture, bytes, message.bytes, aio_message_segment(&message));
    return 0;
}

static int take_batch(struct mixture *mixture)
{
    static char bytes[4][LONGEST];
    struct aio_message messages[4];
    struct iovec vectors[4];
    for (int i = 0; i < 4; i++) {
        vectors[i] = (struct iovec){bytes[i], LONGEST};
        messages[i] = (struct aio_message){.vectors = &vectors[i], .count = 1};
    }
    int count = aio_socket_recv_many(mixture->far, messages, 4);
    for (int i = 0; i < count; i++)
        take(mixture, bytes[i], messages[i].bytes, messages[i].whole);
    return count < 0 ? count : 0;
}

/* The descriptor goes to another handle, if nothing waits with this one. */
static int change_hands(struct mixture *mixture)
{
    int fd = aio_socket_release(mixture->far);
    if (fd == -EBUSY)
        return 0;
    return fd < 0 ? fd : aio_socket_adopt(&mixture->far, fd);
}

static int wait_ready(struct mixture *mixture)
{
    struct aio_select_case cases[] = {aio_select_receivable(mixture->far)};
    int rc = aio_select_wait(cases, 1);
    return rc < 0 ? rc : cases[0].result;
}

static int receive_some(struct mixture *mixture)
{
    switch (roll(&mixture->dice[1], 12)) {
    case 0:
        return wait_ready(mixture);
    case 1:
        return change_hands(mixture);
    case 2:
        return mixture->segments ? take_plain(mixture) : take_batch(mixture);
    case 3:
        return take_plain(mixture);
    default:
        return take_rented(mixture);
    }
}

static int receive_run(void *arg)
{
    struct mixture *mixture = arg;
    int rc = 0;
    while (rc == 0 && mixture->received < DATAGRAMS) {
        AIO_TIMEOUT(roll(&mixture->dice[1], 4) == 0 ? roll(&mixture->dice[1], 30000) : AIO_SEC(20))
        {
            rc = receive_some(mixture);
        }
        rc = rc == -ETIMEDOUT ? 0 : rc;
    }
    return rc;
}

static void run_mixture(unsigned seed, bool segments)
{
    struct udp_ends ends;
    struct aio_task *sender, *receiver;
    struct aio_runtime_stats stats = {.size = sizeof stats};
    int rc = -ECANCELED;
    REQUIRE(udp_ends_connect(&ends));
    struct mixture mixture = {
        .near = ends.near, .far = ends.far, .dice = {seed, seed + 1}, .segments = segments};
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_BUFFER, 1 << 20));
    if (segments)
        AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_SEGMENTS, 1));
    REQUIRE_OK(aio_task_spawn(&sender, send_all, &mixture, NULL));
    while (rc == -ECANCELED) {
        REQUIRE_OK(aio_task_spawn(&receiver, receive_run, &mixture, NULL));
        for (unsigned turns = roll(&mixture.dice[1], 200); turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        aio_task_cancel(receiver);
        AIO_CHECK_OK(aio_task_join(receiver, &rc));
    }
    AIO_CHECK_EQ(rc, 0);
    AIO_CHECK_OK(aio_task_join(sender, &rc));
    AIO_CHECK_EQ(rc, 0);
    AIO_CHECK_EQ(mixture.received, DATAGRAMS);
    for (int i = 0; i < KEPT; i++)
        aio_buffer_release(mixture.kept[i]);
    aio_socket_close(mixture.near);
    aio_socket_close(mixture.far);
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    AIO_CHECK_EQ(stats.buffers_held, 0);
}

BEHAVIOUR(each_in_its_turn)
{
    run_mixture(1, false);
}

/* The receiver holds most of the pool, so that the others run out of it. */
BEHAVIOUR_WITH(from_a_small_pool, .buffer_limit = 80)
{
    run_mixture(2, false);
}

BEHAVIOUR_WITH(put_together, .buffer_bytes = 65536 + AIO_SOCKET_RENT_BYTES)
{
    run_mixture(3, true);
}
