/*
 * Waking a ring from another thread, and showing it to a loop that is not ours.
 *
 * Where the kernel can (6.13), the wake-up is a message to the ring, sent by a plain system call:
 * no descriptor is written, none is read, nothing has to be armed again. Else, and should the
 * kernel have no memory for the message, an eventfd is written, which a read in the ring waits for.
 */
#include "backends/uring/private.h"

#include <aio/time.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* liburing 2.3 does not know it. */
#define WAKE_REGISTER_SEND_MSG_RING 31u

/* Async-signal-safe; any thread. Returns 0 or -1 with errno. */
static int wake_ring(const struct uring *uring)
{
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_MSG_RING, .fd = uring->ring.ring_fd, .off = URING_DATA_RUNG};
    return (int)syscall(SYS_io_uring_register, -1, WAKE_REGISTER_SEND_MSG_RING, &sqe, 1);
}

bool aio__uring_wake_probe(const struct uring *uring)
{
    return wake_ring(uring) >= 0;
}

void aio__uring_wakeup(struct aio__backend *self)
{
    struct uring *uring = aio__uring_of(self);
    uint64_t one = 1;
    int saved = errno;
    if ((uring->caps & AIO__URING_MSG_RING_WAKE) == 0 || wake_ring(uring) < 0) {
        ssize_t ignored = write(uring->wake_fd, &one, sizeof one);
        (void)ignored; /* EAGAIN: the counter is full, so the wake-up is there already */
    }
    errno = saved;
}

void aio__uring_wake_arm(struct uring *uring)
{
    if (uring->wake_armed || uring->closing)
        return;
    struct io_uring_sqe *sqe = aio__uring_sqe(uring);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, uring->wake_fd, &uring->wake_value, sizeof uring->wake_value, 0);
    io_uring_sqe_set_data64(sqe, URING_DATA_WAKE);
    uring->wake_armed = true;
}

int aio__uring_wake_arm_now(struct uring *uring)
{
    aio__uring_wake_arm(uring);
    unsigned to_submit = aio__uring_publish(uring);
    return to_submit > 0 ? aio__uring_enter(uring, to_submit) : 0;
}

void aio__uring_wake_close(struct uring *uring)
{
    uint64_t one = 1;
    uring->closing = true;
    /* The kernel owns wake_value until its read is over. */
    while (uring->wake_armed) {
        ssize_t ignored = write(uring->wake_fd, &one, sizeof one);
        (void)ignored;
        if (aio__uring_poll(&uring->base, aio_time_now() + AIO_MS(10)) < 0)
            break;
    }
}

/*
 * A ring whose completions are worked out by its own thread (DEFER_TASKRUN) does not wake an epoll
 * that it is in; an eventfd registered with it is told of every completion, in every mode.
 */
int aio__uring_watch(struct aio__backend *self, int epoll_fd)
{
    struct uring *uring = aio__uring_of(self);
    struct epoll_event event = {.events = EPOLLIN};
    uring->watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (uring->watch_fd < 0)
        return -errno;
    int rc = io_uring_register_eventfd(&uring->ring, uring->watch_fd);
    if (rc < 0)
        return rc;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, uring->watch_fd, &event) < 0)
        return -errno;
    return aio__uring_wake_arm_now(uring);
}

/* Before completions are looked at: what comes later sets it again. */
void aio__uring_watch_clear(struct uring *uring)
{
    uint64_t count;
    ssize_t ignored = read(uring->watch_fd, &count, sizeof count);
    (void)ignored;
}

void aio__uring_watch_set(struct uring *uring)
{
    uint64_t one = 1;
    ssize_t ignored = write(uring->watch_fd, &one, sizeof one);
    (void)ignored;
}
