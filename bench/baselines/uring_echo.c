/* The limit: an echo server written straight onto liburing 2.3, as fast as the ring allows.
 *
 * Multishot accept, multishot receive into a provided buffer ring, and each send goes out of the
 * very buffer that was received into. A turn is one io_uring_enter: it submits the sends of the
 * turn before and waits for the next data.
 *
 * A send does not wait (MSG_DONTWAIT) and posts no completion when it succeeds (CQE_SKIP_SUCCESS).
 * It is thus over when the enter that submitted it returns, and its own completion never wakes the
 * loop. Sends that did not take everything post a completion, before any other of that enter; the
 * rest of their data goes out by an ordinary waiting send, and what arrives meanwhile queues behind
 * it, so the order of bytes holds. At most one send of a connection is in a turn for that reason.
 *
 * Memory is bounded: a connection whose peer does not read loses its receive at QUEUE_LIMIT buffers
 * and gets it back when they are sent. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>

#include "bench/baselines/baseline.h"

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 4096,
    BUFFERS = 256,
    BUFFER_BYTES = 16 * 1024,
    /* Not a power of two: the beginnings of the buffers, all that small messages touch, would
     * otherwise fall on the same few cache sets. */
    BUFFER_STRIDE = BUFFER_BYTES + 1088,
    QUEUE_LIMIT = 16,
    GROUP = 0,
};

/* The low bits of user_data; the rest is a connection's address or a buffer's number. */
enum kind { KIND_STOP, KIND_ACCEPT, KIND_RECEIVE, KIND_SEND, KIND_IGNORE };
enum { KIND_BITS = 3 };

struct connection {
    int fd;
    bool receiving; /* a multishot receive is armed */
    bool ended;     /* end of file or an error was seen: close when nothing is left to send */
    bool paused;    /* the receive was taken back because too much is queued */
    bool starved;   /* on the list of those whose receive ended with ENOBUFS */
    int chunks;     /* buffers held, queued or being sent */
    int head, tail; /* queue of buffers behind the one being sent, -1 when empty */
    struct connection *next_starved;
};

/* One per provided buffer: the received bytes on their way back. */
struct chunk {
    struct connection *owner;
    uint32_t offset, bytes;
    int next;
    bool kept; /* its fast send fell short: it stays until the waiting send is complete */
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static struct chunk chunks[BUFFERS];
static char *memory;
static int turn_sends[BUFFERS]; /* the fast sends to be submitted by the next enter */
static int turn_count, free_buffers = BUFFERS;
static struct connection *starved;
static int listen_fd;
static bool accept_stopped; /* by an error such as EMFILE, until a connection is closed */

static char *chunk_memory(int id)
{
    return memory + (size_t)id * BUFFER_STRIDE;
}

/* The prep helpers of liburing 2.3 clear user_data, so every caller sets it after them. */
static struct io_uring_sqe *next_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    while (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void arm_accept(void)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = KIND_ACCEPT;
}

static void arm_receive(struct connection *c)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = (uintptr_t)c | KIND_RECEIVE;
    c->receiving = true;
    c->paused = false;
}

static void pause_receive(struct connection *c)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_cancel64(sqe, (uintptr_t)c | KIND_RECEIVE, 0);
    sqe->user_data = KIND_IGNORE;
    c->paused = true;
}

static void send_fast(int id)
{
    struct chunk *chunk = &chunks[id];
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_send(sqe, chunk->owner->fd, chunk_memory(id), chunk->bytes,
                       MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = (uint64_t)id << KIND_BITS | KIND_SEND;
    turn_sends[turn_count++] = id;
}

static void send_waiting(int id)
{
    struct chunk *chunk = &chunks[id];
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_send(sqe, chunk->owner->fd, chunk_memory(id) + chunk->offset,
                       chunk->bytes - chunk->offset, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = (uint64_t)id << KIND_BITS | KIND_SEND;
}

static void recycle(int id)
{
    io_uring_buf_ring_add(buffers, chunk_memory(id), BUFFER_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
    free_buffers++;
}

static void close_if_over(struct connection *c)
{
    if (!c->ended || c->receiving || c->starved || c->chunks)
        return;
    close(c->fd);
    free(c);
    if (accept_stopped) {
        accept_stopped = false;
        arm_accept();
    }
}

/* The send of a buffer is over: the buffer goes back, the next one of the connection goes out. */
static void finish_chunk(int id)
{
    struct connection *c = chunks[id].owner;

    recycle(id);
    c->chunks--;
    if (c->head >= 0) {
        int next = c->head;

        c->head = chunks[next].next;
        send_fast(next);
    } else if (c->paused && !c->receiving && !c->starved && !c->ended) {
        arm_receive(c);
    }
    close_if_over(c);
}

static void drop_queue(struct connection *c)
{
    while (c->head >= 0) {
        int id = c->head;

        c->head = chunks[id].next;
        c->chunks--;
        recycle(id);
    }
}

static void on_send(int id, int result)
{
    struct chunk *chunk = &chunks[id];

    chunk->kept = true;
    if (result > 0)
        chunk->offset += (uint32_t)result;
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        chunk->owner->ended = true;
        drop_queue(chunk->owner);
        shutdown(chunk->owner->fd, SHUT_RDWR);
        finish_chunk(id);
    } else if (chunk->offset < chunk->bytes) {
        send_waiting(id);
    } else {
        finish_chunk(id);
    }
}

static void on_data(struct connection *c, int id, uint32_t bytes)
{
    free_buffers--;
    if (c->ended) {
        recycle(id);
        return;
    }
    chunks[id] = (struct chunk){.owner = c, .bytes = bytes, .next = -1};
    if (c->chunks++ == 0) {
        send_fast(id);
        return;
    }
    if (c->head < 0)
        c->head = id;
    else
        chunks[c->tail].next = id;
    c->tail = id;
    if (c->chunks >= QUEUE_LIMIT && c->receiving && !c->paused)
        pause_receive(c);
}

static void on_receive(struct connection *c, const struct io_uring_cqe *cqe)
{
    c->receiving = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res > 0)
        on_data(c, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (uint32_t)cqe->res);
    if (c->receiving)
        return;
    if (cqe->res == -ENOBUFS) {
        c->starved = true;
        c->next_starved = starved;
        starved = c;
    } else if (cqe->res == 0 || (cqe->res < 0 && cqe->res != -ECANCELED)) {
        c->ended = true;
    } else if (c->chunks < QUEUE_LIMIT && !c->ended) {
        arm_receive(c);
    } else {
        c->paused = true;
    }
    close_if_over(c);
}

static void on_accept(const struct io_uring_cqe *cqe)
{
    struct connection *c = cqe->res >= 0 ? calloc(1, sizeof *c) : NULL;

    if (c) {
        c->fd = cqe->res;
        c->head = -1;
        arm_receive(c);
    } else if (cqe->res >= 0) {
        close(cqe->res);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res < 0)
        accept_stopped = true;
    else
        arm_accept();
}

/* Receives that found no buffer start again when there are some. */
static void feed_starved(void)
{
    struct connection *c;

    while (free_buffers > 0 && (c = starved)) {
        starved = c->next_starved;
        c->starved = false;
        if (!c->ended)
            arm_receive(c);
        close_if_over(c);
    }
}

/* False when the stop signal has come. */
static bool handle(const struct io_uring_cqe *cqe)
{
    uint64_t data = cqe->user_data & ~(uint64_t)((1 << KIND_BITS) - 1);

    switch ((enum kind)(cqe->user_data & ((1 << KIND_BITS) - 1))) {
    case KIND_RECEIVE:
        on_receive((struct connection *)(uintptr_t)data, cqe);
        break;
    case KIND_SEND:
        on_send((int)(data >> KIND_BITS), cqe->res);
        break;
    case KIND_ACCEPT:
        on_accept(cqe);
        break;
    case KIND_STOP:
        return false;
    case KIND_IGNORE:
        break;
    }
    return true;
}

/* A fast send that succeeds wakes nobody, so the enter must not wait when something is to be done
 * after it: the next buffer of the connection, its close, a receive that lacks buffers. */
static bool may_wait(void)
{
    if (turn_count > 0 && starved)
        return false;
    for (int i = 0; i < turn_count; i++) {
        const struct connection *c = chunks[turn_sends[i]].owner;

        if (c->head >= 0 || c->paused || c->ended)
            return false;
    }
    return true;
}

/* Everything must be submitted before the turn's fast sends may be taken for done. */
static void enter(void)
{
    int rc = io_uring_submit_and_wait(&ring, may_wait());

    while (io_uring_sq_ready(&ring) > 0)
        rc = io_uring_submit(&ring);
    if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
        baseline_die("io_uring_enter", -rc);
}

static bool turn(void)
{
    int sends[BUFFERS], count;
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    bool go_on = true;

    enter();
    count = turn_count;
    turn_count = 0;
    memcpy(sends, turn_sends, (size_t)count * sizeof *sends);
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        go_on &= handle(cqe);
        seen++;
    }
    io_uring_cq_advance(&ring, seen);
    for (int i = 0; i < count; i++)
        if (!chunks[sends[i]].kept)
            finish_chunk(sends[i]);
    feed_starved();
    return go_on;
}

static void open_ring(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int rc = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);

    if (rc < 0)
        baseline_die("io_uring_setup", -rc);
    rc = io_uring_register_ring_fd(&ring);
    if (rc < 0)
        baseline_die("io_uring_register_ring_fd", -rc);
}

static void open_buffers(void)
{
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = GROUP};
    int rc;

    if (posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
        posix_memalign((void **)&memory, 4096, (size_t)BUFFERS * BUFFER_STRIDE))
        baseline_die("buffers", ENOMEM);
    reg.ring_addr = (uintptr_t)buffers;
    rc = io_uring_register_buf_ring(&ring, &reg, 0);
    if (rc < 0)
        baseline_die("io_uring_register_buf_ring", -rc);
    io_uring_buf_ring_init(buffers);
    for (int id = 0; id < BUFFERS; id++)
        io_uring_buf_ring_add(buffers, chunk_memory(id), BUFFER_BYTES, (unsigned short)id,
                              io_uring_buf_ring_mask(BUFFERS), id);
    io_uring_buf_ring_advance(buffers, BUFFERS);
}

int main(int argc, char **argv)
{
    struct io_uring_sqe *sqe;

    open_ring();
    open_buffers();
    sqe = next_sqe();
    io_uring_prep_poll_add(sqe, baseline_signals(), POLLIN);
    sqe->user_data = KIND_STOP;
    listen_fd = baseline_listen(argc, argv);
    arm_accept();
    while (turn())
        ;
    return 0;
}
