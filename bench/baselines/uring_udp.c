/* The limit of datagrams: bare liburing, with a multishot receive into a ring of buffers, and a
 * send from the same buffer whose completion, if any, gives it back. One enter a turn. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <liburing.h>
#include <poll.h>

#include "bench/baselines/baseline.h"

enum { BUFFERS = 256, BUFFER_BYTES = 2048, ENTRIES = 512 };
enum { STOP = 1, RECEIVE = 2, SEND = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *lent;
static char buffers[BUFFERS][BUFFER_BYTES];
static struct iovec vectors[BUFFERS];
static struct msghdr answers[BUFFERS];
static struct msghdr shape = {.msg_namelen = sizeof(struct sockaddr_in)};

static void lend(int id)
{
    io_uring_buf_ring_add(lent, buffers[id], BUFFER_BYTES, (unsigned short)id, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(lent, 1);
}

static void receive(int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_recvmsg_multishot(sqe, fd, &shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    io_uring_sqe_set_data64(sqe, RECEIVE);
}

static void answer(int fd, const struct io_uring_cqe *cqe)
{
    int id = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffers[id], cqe->res, &shape);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (!out || !sqe) {
        lend(id);
        return;
    }
    vectors[id] = (struct iovec){io_uring_recvmsg_payload(out, &shape),
                                 io_uring_recvmsg_payload_length(out, cqe->res, &shape)};
    answers[id] = (struct msghdr){.msg_name = io_uring_recvmsg_name(out),
                                  .msg_namelen = sizeof(struct sockaddr_in),
                                  .msg_iov = &vectors[id],
                                  .msg_iovlen = 1};
    io_uring_prep_sendmsg(sqe, fd, &answers[id], 0);
    io_uring_sqe_set_data64(sqe, SEND | (uint64_t)id << 8);
}

static void open_ring(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
    int rc = io_uring_queue_init_params(ENTRIES, &ring, &params);

    if (rc < 0)
        baseline_die("io_uring_queue_init", -rc);
    if (posix_memalign((void **)&lent, 4096, BUFFERS * sizeof(struct io_uring_buf)))
        baseline_die("memory", ENOMEM);
    reg.ring_addr = (uint64_t)(uintptr_t)lent;
    rc = io_uring_register_buf_ring(&ring, &reg, 0);
    if (rc < 0)
        baseline_die("io_uring_register_buf_ring", -rc);
    io_uring_buf_ring_init(lent);
    for (int id = 0; id < BUFFERS; id++)
        lend(id);
}

/* Returns false at the signal to stop. */
static bool completed(int fd, const struct io_uring_cqe *cqe)
{
    switch (cqe->user_data & 255) {
    case STOP:
        return false;
    case SEND:
        lend((int)(cqe->user_data >> 8));
        return true;
    default:
        if (cqe->flags & IORING_CQE_F_BUFFER)
            answer(fd, cqe);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            receive(fd);
        return true;
    }
}

int main(int argc, char **argv)
{
    int stop = baseline_signals(), fd = baseline_udp(argc, argv);
    struct io_uring_sqe *sqe;
    bool running = true;

    open_ring();
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_poll_add(sqe, stop, POLLIN);
    io_uring_sqe_set_data64(sqe, STOP);
    receive(fd);
    while (running) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;

        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            running = completed(fd, cqe) && running;
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
    return 0;
}
