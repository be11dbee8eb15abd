/*
 * Pinned memory: buffers registered with the ring, so that reads and writes of files within them,
 * and zero-copy sends, need not look their pages up.
 */
#include "backends/uring/private.h"

/* The table is registered empty, with the first of them. */
static bool pin_open(struct uring *uring)
{
    if ((uring->caps & AIO__URING_PINNED) == 0)
        return false;
    if (!uring->pins_opened && io_uring_register_buffers_sparse(&uring->ring, URING_PINS) < 0)
        uring->caps &= ~(uint32_t)AIO__URING_PINNED;
    else
        uring->pins_opened = true;
    return uring->pins_opened;
}

static bool pin_register(struct uring *uring, unsigned slot, const struct iovec *part)
{
    const __u64 no_tag = 0;
    return io_uring_register_buffers_update_tag(&uring->ring, slot, part, &no_tag, 1) == 1;
}

static unsigned pin_slot(const struct uring *uring, const char *start)
{
    unsigned slot = 0;
    while (slot < URING_PINS && uring->pins[slot].iov_base != start)
        slot++;
    return slot;
}

int32_t aio__uring_pin(struct uring *uring, const struct aio__op *op)
{
    const struct iovec part = {op->file.buffer, op->file.length};
    unsigned slot = pin_slot(uring, NULL);
    if (slot == URING_PINS || !pin_open(uring) || !pin_register(uring, slot, &part))
        return 0;
    uring->pins[slot] = part;
    uring->pinned++;
    return 1;
}

int32_t aio__uring_unpin(struct uring *uring, const struct aio__op *op)
{
    static const struct iovec nothing = {NULL, 0};
    unsigned slot = pin_slot(uring, op->file.buffer);
    if (slot == URING_PINS)
        return 0;
    (void)pin_register(uring, slot, &nothing);
    uring->pins[slot] = nothing;
    uring->pinned--;
    return 0;
}

int aio__uring_pin_find(const struct uring *uring, const char *buffer, size_t length)
{
    for (unsigned slot = 0; slot < URING_PINS; slot++) {
        const struct iovec *part = &uring->pins[slot];
        size_t at = (size_t)((uintptr_t)buffer - (uintptr_t)part->iov_base);
        if (part->iov_base != NULL && at < part->iov_len && length <= part->iov_len - at)
            return (int)slot;
    }
    return -1;
}
