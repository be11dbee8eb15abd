/*
 * Select's cases of readiness.
 *
 * A stream or socket is asked by a POLL op, which reads nothing; one that is in flight when the
 * select is decided is cancelled, and the select's task waits for its completion, since the kernel
 * may still name its frame. A listener is asked by its own stream op, which an accept that is
 * cancelled leaves armed just so: what it brings is for the next accept.
 */
#include "net/intake.h"
#include "net/private.h"

#include "core/select.h"

#include <poll.h>

static struct aio__select_entry *ready_entry(struct aio__watch *watch)
{
    return AIO__CONTAINER(watch, struct aio__select_entry, ready.watch);
}

static void ready_decide(struct aio__select_entry *entry, int result)
{
    if (aio__select_claim(entry))
        aio__select_finish(entry, result < 0 ? result : 0);
}

static void ready_done(struct aio__op *op)
{
    struct aio__select_entry *entry = AIO__CONTAINER(op, struct aio__select_entry, ready.op);
    aio__watch_leave(&entry->ready.watch);
    ready_decide(entry, op->result);
    aio__select_op_done(entry->select);
}

/* Whether the descriptor is ready for events now, or asking fails. */
static bool ready_now(const struct aio__handle *handle, short events, int *result)
{
    struct pollfd query = {.fd = handle->fd, .events = events};
    /* A file is ready; its server is not asked. */
    int count = handle->closing ? -1 : handle->served ? 1 : poll(&query, 1, 0);
    *result = handle->closing ? -EBADF : 0;
    return count > 0 || handle->closing;
}

static void ready_enlist(struct aio__core *core, struct aio__select_entry *entry, uint32_t events,
                         void (*notify)(struct aio__watch *watch, int result))
{
    struct aio__handle *handle = entry->of->object;
    struct aio__op *op = &entry->ready.op;
    entry->ready.intake = NULL;
    *op = (struct aio__op){.opcode = AIO__OP_POLL, .fd = handle->fd, .complete = ready_done};
    op->poll.events = events;
    if (aio__op_submit(core, op)) {
        ready_decide(entry, op->result);
        return;
    }
    entry->ready.watch.notify = notify;
    aio__watch_enter(&entry->ready.watch, handle);
    entry->select->ops++;
}

static void ready_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    if (entry->ready.op.state == AIO__OP_SUBMITTED)
        aio__op_cancel(core, &entry->ready.op);
}

enum { READY_READ = POLLIN | POLLRDHUP, READY_WRITE = POLLOUT };

static bool readable_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    const struct aio_stream *stream = of->object; /* its handle is its first member */
    const struct aio_filter *filter = stream->filter;
    (void)aio__handle_core(&stream->handle, "aio_select_readable");
    bool more = aio__inbox_has_more(stream);
    if (filter != NULL && !stream->handle.closing)
        more = more || filter->kind->pending(filter);
    return ready_now(of->object, READY_READ, &of->result) || more;
}

static void taking_leave(struct aio__select_entry *entry)
{
    aio__watch_leave(&entry->ready.watch);
    aio__intake_unwatch(entry->ready.intake);
}

static void taking_notify(struct aio__watch *watch, int result)
{
    struct aio__select_entry *entry = ready_entry(watch);
    struct aio__core *core = watch->handle->core;
    bool watches = entry->ready.intake != NULL;
    if (result != AIO__INBOX_DISARMED) {
        ready_decide(entry, result);
        if (!watches)
            aio__op_cancel(core, &entry->ready.op);
    } else if (watches && entry->select->winner == NULL && !watch->handle->closing) {
        taking_leave(entry);
        ready_enlist(core, entry, READY_READ, taking_notify);
    }
}

/* Where rented reads have armed a receive, that one takes the data: it is asked, by a watch. */
static void taking_enlist(struct aio__core *core, struct aio__select_entry *entry,
                          struct aio__intake *intake)
{
    if (intake == NULL || !intake->armed) {
        ready_enlist(core, entry, READY_READ, taking_notify);
        return;
    }
    entry->ready.intake = intake;
    entry->ready.watch.notify = taking_notify;
    aio__watch_enter(&entry->ready.watch, entry->of->object);
    aio__intake_watch(intake);
}

static void taking_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    if (entry->ready.intake != NULL)
        taking_leave(entry);
    else
        ready_delist(core, entry);
}

static void readable_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    const struct aio_stream *stream = entry->of->object;
    taking_enlist(core, entry, stream->inbox);
}

static bool writable_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    (void)aio__handle_core(of->object, "aio_select_writable");
    return ready_now(of->object, READY_WRITE, &of->result);
}

/* The handle is being closed, which waits for the op's end. What an inbox tells is not for us. */
static void ready_notify(struct aio__watch *watch, int result)
{
    struct aio__select_entry *entry = ready_entry(watch);
    if (result >= 0)
        return;
    ready_decide(entry, result);
    aio__op_cancel(watch->handle->core, &entry->ready.op);
}

static void writable_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    ready_enlist(core, entry, READY_WRITE, ready_notify);
}

struct aio_select_case aio_select_readable(struct aio_stream *stream)
{
    static const struct aio__select_kind kind = {readable_try, readable_enlist, taking_delist,
                                                 NULL};
    return (struct aio_select_case){.kind = &kind, .object = &stream->handle};
}

struct aio_select_case aio_select_writable(struct aio_stream *stream)
{
    static const struct aio__select_kind kind = {writable_try, writable_enlist, ready_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = &stream->handle};
}

static bool receivable_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    (void)aio__handle_core(of->object, "aio_select_receivable");
    const struct aio__intake *intake = aio__packet_intake(of->object);
    bool more = intake != NULL && aio__intake_has_more(intake);
    return ready_now(of->object, READY_READ, &of->result) || more;
}

static void receivable_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    taking_enlist(core, entry, aio__packet_intake(entry->of->object));
}

static bool sendable_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    (void)aio__handle_core(of->object, "aio_select_sendable");
    return ready_now(of->object, READY_WRITE, &of->result);
}

struct aio_select_case aio_select_receivable(struct aio_socket *socket)
{
    static const struct aio__select_kind kind = {receivable_try, receivable_enlist, taking_delist,
                                                 NULL};
    return (struct aio_select_case){.kind = &kind, .object = &socket->handle};
}

struct aio_select_case aio_select_sendable(struct aio_socket *socket)
{
    static const struct aio__select_kind kind = {sendable_try, writable_enlist, ready_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = &socket->handle};
}

static bool acceptable_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_listener *listener = of->object;
    (void)aio__handle_core(of->object, "aio_select_acceptable");
    of->result = aio__listener_ready(listener);
    return of->result != -EAGAIN;
}

static void acceptable_notify(struct aio__watch *watch, int result)
{
    ready_decide(ready_entry(watch), result);
}

static void acceptable_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    entry->ready.watch.notify = acceptable_notify;
    aio__watch_enter(&entry->ready.watch, entry->of->object);
    aio__listener_arm(entry->of->object);
}

static void acceptable_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    aio__watch_leave(&entry->ready.watch);
    aio__listener_heed(entry->of->object);
}

struct aio_select_case aio_select_acceptable(struct aio_listener *listener)
{
    static const struct aio__select_kind kind = {acceptable_try, acceptable_enlist,
                                                 acceptable_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = listener};
}
