/*
 * Files that are read or written by way of pinned memory, kept in the ring: an entry names such a
 * file by its place in the ring's table, and no request has to find it and count its use.
 *
 * A descriptor has one place, by its number. Another one that is there keeps it.
 */
#include "backends/uring/private.h"

#include <sys/resource.h>

/* IORING_FEAT_RW_ATTR (Linux 6.14) stands for what came with 6.13: that a file which is taken out
 * of the table is let go at once, and not when all requests have ended that began before. */
#define FIXED_FEATURE (1u << 16)

static unsigned fixed_slot(int fd)
{
    return (unsigned)fd % URING_FIXED;
}

/* With a lower limit liburing would raise it, for the whole process. */
static bool fixed_register(struct uring *uring)
{
    struct rlimit limit;
    return (uring->ring.features & FIXED_FEATURE) != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           limit.rlim_cur >= URING_FIXED &&
           io_uring_register_files_sparse(&uring->ring, URING_FIXED) == 0;
}

/* The table is registered empty, with the first of them. */
static bool fixed_open(struct uring *uring)
{
    if (uring->fixed_state == URING_FIXED_UNTRIED) {
        bool opened = fixed_register(uring);
        uring->fixed_state = opened ? URING_FIXED_OPEN : URING_FIXED_REFUSED;
        for (unsigned slot = 0; slot < URING_FIXED; slot++)
            uring->fixed[slot] = -1;
    }
    return uring->fixed_state == URING_FIXED_OPEN;
}

static bool fixed_set(struct uring *uring, unsigned slot, int fd)
{
    return io_uring_register_files_update(&uring->ring, slot, &fd, 1) == 1;
}

void aio__uring_fix(struct uring *uring, struct io_uring_sqe *sqe)
{
    unsigned slot = fixed_slot(sqe->fd);
    if (!fixed_open(uring))
        return;
    if (uring->fixed[slot] < 0 && fixed_set(uring, slot, sqe->fd))
        uring->fixed[slot] = sqe->fd;
    if (uring->fixed[slot] != sqe->fd)
        return;
    sqe->fd = (int32_t)slot;
    sqe->flags |= IOSQE_FIXED_FILE;
}

void aio__uring_unfix(struct uring *uring, int fd)
{
    unsigned slot = fixed_slot(fd);
    if (fd < 0 || uring->fixed_state != URING_FIXED_OPEN || uring->fixed[slot] != fd)
        return;
    if (!fixed_set(uring, slot, -1)) /* the next file of that number must not be taken for it */
        uring->fixed_state = URING_FIXED_REFUSED;
    uring->fixed[slot] = -1;
}
