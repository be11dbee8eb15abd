/*
 * A turn: what submit, cancel and poll do with an op, and what an event does.
 *
 * No event calls into core. An event tries the ops that wait for it, oldest first, until one must
 * go on waiting; those that are through are appended to `done`. As core has one op per direction
 * of a descriptor, the work of a poll is bounded by its events.
 */
#include <errno.h>
#include <fcntl.h>

#include "backends/ev/private.h"
#include "core/log.h"

/*
 * Events in a row that may lead to nothing before an op is only tried now and then. A datagram to a
 * full receiver waits on a socket that is writable; errors queued with a socket make it readable.
 */
enum { TURN_FRUITLESS_MAX = 4 };

#define TURN_ENTRY_OF(watcher_, index)                                                             \
    ((struct aio__ev_fd *)(void *)((char *)(watcher_)-offsetof(struct aio__ev_fd,                  \
                                                               sides[index].watcher)))

static enum aio__ev_side_index turn_side_of(unsigned place)
{
    return place == AIO__EV_IN_READ_QUEUE ? AIO__EV_READ_SIDE : AIO__EV_WRITE_SIDE;
}

static void turn_wait(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    unsigned place = aio__ev_rows[op->opcode].place;

    op->flags = (uint16_t)place;
    self->waiting++;
    if (place == AIO__EV_IN_POLL_QUEUE) {
        int result = aio__ev_poll_park(self, entry, op);

        if (result < 0) {
            self->waiting--;
            aio__backend_finish(&self->base, op, result);
        }
        return;
    }
    aio__op_list_append(&entry->sides[turn_side_of(place)].queue, op);
    aio__ev_fd_arm(self, entry, turn_side_of(place));
}

static void turn_offload(struct aio__ev_backend *self, struct aio__op *op)
{
    op->flags = AIO__EV_IN_OFFLOAD;
    self->offload->submit(self->offload, op);
}

void aio__ev_settle(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op,
                    int32_t result)
{
    if (result > AIO__EV_VERDICT_LAST) {
        aio__backend_finish(&self->base, op, result);
    } else if (result == AIO__EV_WAIT) {
        turn_wait(self, entry, op);
    } else if (result == AIO__EV_LATER) {
        op->flags = AIO__EV_IN_LATER_QUEUE;
        self->waiting++;
        aio__ev_later_add(self, op);
    } else if (result == AIO__EV_STARVED) {
        aio__ev_starved_add(self, op);
    } else {
        turn_offload(self, op);
    }
}

/* Whether older ops of the same direction are still waiting. */
static bool turn_must_wait(const struct aio__ev_fd *entry, unsigned place)
{
    if (place == AIO__EV_IN_POLL_QUEUE)
        return false;
    return !aio__op_list_empty(&entry->sides[turn_side_of(place)].queue);
}

/* A call on a file that is not even looked at here: a thread makes it. */
static bool turn_is_unknown(const struct aio__op *op)
{
    const uint32_t calls =
        1u << AIO__OP_READ | 1u << AIO__OP_WRITE | 1u << AIO__OP_READV | 1u << AIO__OP_WRITEV;

    return __builtin_expect((op->flags & AIO__OP_BORROWED) != 0, 0) &&
           (calls >> op->opcode & 1u) != 0;
}

void aio__ev_submit(struct aio__backend *base, struct aio__op *op)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;
    const struct aio__ev_row *row = &aio__ev_rows[op->opcode];
    struct aio__ev_fd *entry = NULL;
    bool unknown = turn_is_unknown(op);
    int error;

    AIO__ASSERT(op->state != AIO__OP_SUBMITTED);
    op->state = AIO__OP_SUBMITTED;
    op->flags = AIO__EV_IN_NO_QUEUE;
    op->scratch = 0;
    if (row->place == AIO__EV_IN_NO_QUEUE || unknown) {
        int32_t result = unknown ? (int32_t)AIO__EV_OFFLOAD : row->perform(self, NULL, op);

        if (result == AIO__EV_OFFLOAD)
            turn_offload(self, op);
        else
            aio__backend_finish(base, op, result);
        return;
    }
    error = aio__ev_fd_get(self, op->fd, &entry);
    if (error < 0)
        aio__backend_finish(base, op, error);
    else if (turn_must_wait(entry, row->place))
        aio__ev_settle(self, entry, op, AIO__EV_WAIT);
    else
        aio__ev_settle(self, entry, op, row->perform(self, entry, op));
}

static void turn_cancelled(struct aio__ev_backend *self, struct aio__op *op)
{
    self->waiting--;
    aio__backend_finish(&self->base, op, -ECANCELED);
}

void aio__ev_cancel(struct aio__backend *base, struct aio__op *op)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;
    struct aio__ev_fd *entry;

    if (op->state != AIO__OP_SUBMITTED)
        return;
    entry = aio__ev_fd_find(self, op->fd);
    switch ((enum aio__ev_place)op->flags) {
    case AIO__EV_IN_READ_QUEUE:
    case AIO__EV_IN_WRITE_QUEUE:
        aio__op_list_remove(&entry->sides[turn_side_of(op->flags)].queue, op);
        turn_cancelled(self, op);
        return;
    case AIO__EV_IN_POLL_QUEUE:
        aio__ev_poll_unpark(self, entry, op);
        turn_cancelled(self, op);
        return;
    case AIO__EV_IN_LATER_QUEUE:
        aio__op_list_remove(&self->later, op);
        turn_cancelled(self, op);
        return;
    case AIO__EV_IN_STARVED_QUEUE:
        aio__op_list_remove(&self->starved, op);
        aio__backend_finish(&self->base, op, -ECANCELED);
        return;
    case AIO__EV_IN_OFFLOAD:
        op->flags = AIO__EV_IN_OFFLOAD_CANCELLED;
        self->offload->cancel(self->offload, op);
        return;
    case AIO__EV_IN_NO_QUEUE:
    case AIO__EV_IN_OFFLOAD_CANCELLED:
        return;
    }
}

/*
 * libev could not register the descriptor and stopped its watchers. It takes them for registered
 * all the same, unless they are set up anew.
 */
static void turn_kill(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                      enum aio__ev_side_index index)
{
    int32_t result = fcntl(entry->fd, F_GETFD) < 0 ? -EBADF : -ENOMEM;
    struct aio__op *op;

    entry->flags &= ~aio__ev_fd_set_flag(index);
    while ((op = aio__op_list_pop(&entry->sides[index].queue)) != NULL) {
        self->waiting--;
        aio__backend_finish(&self->base, op, result);
    }
}

static void turn_serve(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                       struct aio__ev_side *side)
{
    int32_t result = -1;
    struct aio__op *op;

    while ((op = side->queue.head) != NULL) {
        result = aio__ev_rows[op->opcode].perform(self, entry, op);
        if (result == AIO__EV_WAIT && ++op->scratch <= TURN_FRUITLESS_MAX)
            return;
        /* The descriptor is ready for ever, but not for this op. */
        if (result == AIO__EV_WAIT)
            result = AIO__EV_LATER;
        aio__op_list_pop(&side->queue);
        self->waiting--;
        aio__ev_settle(self, entry, op, result);
    }
    /*
     * Nobody was waiting for this event, or what it meant has failed and goes on failing. The
     * watcher is left running otherwise: mostly the next op comes before the next event.
     */
    if (result < 0)
        ev_io_stop(self->loop, &side->watcher);
}

static void turn_event(ev_io *watcher, struct aio__ev_fd *entry, enum aio__ev_side_index index,
                       int events)
{
    if ((events & EV_ERROR) != 0)
        turn_kill(watcher->data, entry, index);
    else
        turn_serve(watcher->data, entry, &entry->sides[index]);
}

void aio__ev_read_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aio__ev_fd *entry = TURN_ENTRY_OF(watcher, AIO__EV_READ_SIDE);

    (void)loop;
    entry->flags &= ~(uint32_t)AIO__EV_FD_DRAINED;
    turn_event(watcher, entry, AIO__EV_READ_SIDE, events);
}

void aio__ev_write_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    turn_event(watcher, TURN_ENTRY_OF(watcher, AIO__EV_WRITE_SIDE), AIO__EV_WRITE_SIDE, events);
}

int aio__ev_poll(struct aio__backend *base, int64_t deadline_ns)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;
    bool wait;

    base->hurry = false; /* nothing is late here */
    if (!aio__op_list_empty(&self->starved))
        aio__ev_starved_serve(self);
    wait = deadline_ns > 0 && aio__op_list_empty(&self->base.done);

    /* Nothing can complete; a wake-up is for a poll that waits, and stays for it. */
    if (!wait && self->waiting == 0 && self->watch_fd < 0)
        return 0;
    if (wait)
        aio__ev_deadline_set(self, deadline_ns);
    ev_run(self->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
    self->rearmed = false;
    if (self->epoll_replaced) {
        self->epoll_replaced = false;
        aio__ev_epoll_find(self);
        if (self->watch_fd >= 0)
            (void)aio__ev_watch(base, self->watch_fd);
    }
    if (self->watch_fd >= 0)
        aio__ev_later_show(self);
    return 0;
}
