/*
 * The shim's vtable, see faults.h.
 */
#include "tests/faults/faults.h"

#include "core/log.h"
#include "tests/harness/internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Bit of an outer stream op's flags: its backend_link is its entry. */
enum { HAS_ENTRY = 1 };

static _Atomic uint64_t next_seed; /* cores open at the same time */
static struct {
    int32_t error;
    int count;
} failures[AIO__OP_COUNT];

static struct faults *faults_of(struct aio__backend *self)
{
    return (struct faults *)(void *)self;
}

static int64_t nearest(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

/* Received data comes in more pieces than it need: as a short receive, which no op can be. */
static void cut_feed(struct faults *faults, struct aio__feed *feed)
{
    struct aio_buffer *last = feed->tail;
    if (feed->count == 0 || last->size < 2 || fault_random(faults, 4) > 0)
        return;
    uint32_t at = 1 + fault_random(faults, last->size - 1);
    struct aio_buffer *rest = aio__buffer_view(last, at, last->size - at);
    if (rest == NULL)
        return;
    last->size = at;
    aio__feed_deliver(feed, rest);
}

/* Above, the op completes now. */
static void finish(struct faults *faults, struct fault_entry *entry)
{
    struct aio__op *outer = entry->outer;
    int32_t result = entry->op.result;
    fault_entry_restore(entry);
    if (outer->opcode == AIO__OP_RENT && outer->rent.shape == NULL)
        cut_feed(faults, outer->rent.feed);
    entry->op.state = AIO__OP_IDLE;
    if (!aio__op_is_stream(outer) || result < 0) {
        outer->flags = 0;
        outer->backend_link = NULL;
        fault_entry_close(faults, entry);
    }
    aio__backend_finish(&faults->base, outer, result);
}

/* Below, the op is done. Above it is so at once, some polls later, or some time later. */
static void land(struct faults *faults, struct fault_entry *entry)
{
    uint32_t dice = fault_random(faults, 8);
    entry->polls_left = dice >= 6 ? 1 + (int)fault_random(faults, 3) : 0;
    entry->until_ns = dice == 5 ? aio_time_now() + AIO_US(fault_random(faults, 1000)) : 0;
    if (dice < 5)
        finish(faults, entry);
    else
        fault_entries_add(&faults->held, entry);
}

static void collect(struct faults *faults)
{
    struct aio__op *op;
    while ((op = aio__op_list_pop(&faults->inner->done)) != NULL) {
        AIO__REQUIRE(op->state == AIO__OP_DONE, "%s op on done in state %u",
                     aio__opcode_name(op->opcode), op->state);
        land(faults, (struct fault_entry *)(void *)op);
    }
}

static void shuffle(struct faults *faults, struct fault_entries *list)
{
    for (size_t i = list->count; i > 1; i--) {
        size_t other = fault_random(faults, (uint32_t)i);
        struct fault_entry *entry = list->items[other];
        list->items[other] = list->items[i - 1];
        list->items[i - 1] = entry;
    }
}

/* Gives up what has been kept back for long enough, in random order. */
static void release(struct faults *faults)
{
    struct fault_entries *held = &faults->held;
    size_t kept = 0;
    int64_t now_ns = aio_time_now();
    faults->due.count = 0;
    for (size_t i = 0; i < held->count; i++) {
        struct fault_entry *entry = held->items[i];
        if (entry->polls_left > 0)
            entry->polls_left--;
        if (entry->polls_left == 0 && entry->until_ns <= now_ns)
            fault_entries_add(&faults->due, entry);
        else
            held->items[kept++] = entry;
    }
    held->count = kept;
    shuffle(faults, &faults->due);
    for (size_t i = 0; i < faults->due.count; i++)
        finish(faults, faults->due.items[i]);
}

/* A stream op may have been submitted anew since the cancel was asked for: not canceled then. */
static void forward_cancel(struct faults *faults, struct fault_entry *entry)
{
    if (entry->canceled && entry->op.state == AIO__OP_SUBMITTED)
        faults->inner->vtable->cancel(faults->inner, &entry->op);
}

static void forward_cancels(struct faults *faults)
{
    struct fault_entries *cancels = &faults->cancels;
    size_t kept = 0;
    for (size_t i = 0; i < cancels->count; i++) {
        struct fault_entry *entry = cancels->items[i];
        if (entry->outer != NULL && --entry->cancel_polls >= 0) {
            cancels->items[kept++] = entry;
            continue;
        }
        entry->cancel_waits = false;
        if (entry->outer == NULL)
            fault_entry_close(faults, entry);
        else
            forward_cancel(faults, entry);
    }
    cancels->count = kept;
}

static void check_forgotten(const struct faults *faults, size_t fd)
{
    AIO__REQUIRE(fd >= faults->fd_capacity || faults->fd_entries[fd] == 0,
                 "FORGET of descriptor %zu with %u ops in flight", fd, faults->fd_entries[fd]);
}

static void instant(struct faults *faults, struct aio__op *outer)
{
    struct aio__op op = {.opcode = outer->opcode, .fd = outer->fd, .file = outer->file};
    if (outer->opcode == AIO__OP_FORGET)
        check_forgotten(faults, (size_t)outer->fd);
    faults->inner->vtable->submit(faults->inner, &op);
    AIO__REQUIRE(aio__op_list_remove(&faults->inner->done, &op), "%s is not instant",
                 aio__opcode_name(op.opcode));
    aio__backend_finish(&faults->base, outer, op.result);
}

static bool inject(struct faults *faults, struct aio__op *outer)
{
    if (failures[outer->opcode].count == 0)
        return false;
    failures[outer->opcode].count--;
    struct fault_entry *entry = fault_entry_open(faults, outer);
    outer->backend_link = entry;
    outer->state = AIO__OP_SUBMITTED;
    entry->op.state = AIO__OP_DONE;
    entry->op.result = failures[outer->opcode].error;
    land(faults, entry);
    return true;
}

static void faults_submit(struct aio__backend *self, struct aio__op *outer)
{
    struct faults *faults = faults_of(self);
    bool armed = aio__op_is_stream(outer) && (outer->flags & HAS_ENTRY) != 0;
    AIO__REQUIRE(outer->state != AIO__OP_SUBMITTED, "%s op submitted twice",
                 aio__opcode_name(outer->opcode));
    if (aio__op_is_instant(outer)) {
        instant(faults, outer);
        return;
    }
    if (!armed && inject(faults, outer))
        return;
    struct fault_entry *entry = armed ? outer->backend_link : fault_entry_open(faults, outer);
    outer->flags = aio__op_is_stream(outer) ? HAS_ENTRY : 0;
    outer->backend_link = entry;
    outer->state = AIO__OP_SUBMITTED;
    entry->canceled = false;
    faults->inner->vtable->submit(faults->inner, &entry->op);
    if (entry->op.state == AIO__OP_DONE) {
        (void)aio__op_list_remove(&faults->inner->done, &entry->op);
        land(faults, entry);
    }
}

/* What has completed below and is kept back wins; the rest hears of its cancel now or later. */
static void faults_cancel(struct aio__backend *self, struct aio__op *outer)
{
    struct faults *faults = faults_of(self);
    struct fault_entry *entry = outer->backend_link;
    if (outer->state != AIO__OP_SUBMITTED || entry->canceled)
        return;
    entry->canceled = true;
    entry->cancel_polls = (int)fault_random(faults, 4) - 1;
    if (entry->op.state != AIO__OP_SUBMITTED || entry->cancel_waits)
        return;
    if (entry->cancel_polls < 0) {
        forward_cancel(faults, entry);
        return;
    }
    entry->cancel_waits = true;
    fault_entries_add(&faults->cancels, entry);
}

/* While something is kept back, the poll below may not sleep for long. */
static int64_t cut_deadline(struct faults *faults, int64_t deadline_ns)
{
    if (!aio__op_list_empty(&faults->base.done) || fault_random(faults, 16) == 0)
        return 0;
    if (faults->held.count + faults->cancels.count == 0)
        return deadline_ns;
    return nearest(deadline_ns, aio_time_now() + AIO_US(1 + fault_random(faults, 200)));
}

static int faults_poll(struct aio__backend *self, int64_t deadline_ns)
{
    struct faults *faults = faults_of(self);
    forward_cancels(faults);
    release(faults);
    collect(faults);
    faults->inner->hurry |= self->hurry;
    self->hurry = false;
    int rc = faults->inner->vtable->poll(faults->inner, cut_deadline(faults, deadline_ns));
    collect(faults);
    if (faults->watched && faults->held.count + faults->cancels.count > 0)
        faults->inner->vtable->wakeup(faults->inner); /* nobody else asks for what is kept back */
    return rc;
}

static void faults_wakeup(struct aio__backend *self)
{
    struct faults *faults = faults_of(self);
    faults->inner->vtable->wakeup(faults->inner);
    if (atomic_fetch_add(&faults->wakeups, 1) % 4 == 0)
        faults->inner->vtable->wakeup(faults->inner);
}

static void faults_close(struct aio__backend *self)
{
    struct faults *faults = faults_of(self);
    AIO__REQUIRE(faults->live == 0, "the backend is closed with %zu ops in flight", faults->live);
    AIO__REQUIRE(aio__op_list_empty(&self->done), "the backend is closed with ops on done");
    faults->inner->vtable->close(faults->inner);
    fault_entries_free(faults);
    free(faults);
}

static int faults_watch(struct aio__backend *self, int epoll_fd)
{
    struct faults *faults = faults_of(self);
    faults->watched = true;
    return faults->inner->vtable->watch(faults->inner, epoll_fd);
}

static const struct aio__backend_vtable faults_vtable = {
    .close = faults_close,
    .submit = faults_submit,
    .cancel = faults_cancel,
    .poll = faults_poll,
    .wakeup = faults_wakeup,
    .watch = faults_watch,
};

static struct aio__backend *faults_wrap(struct aio__backend *inner)
{
    struct faults *faults = calloc(1, sizeof *faults);
    AIO__REQUIRE(faults != NULL, "the fault shim is out of memory");
    faults->vtable = faults_vtable;
    faults->vtable.name = inner->vtable->name;
    faults->base.vtable = &faults->vtable;
    faults->base.batches = inner->batches;
    faults->base.moves_cursor = inner->moves_cursor;
    faults->inner = inner;
    faults->random_state = next_seed++;
    return &faults->base;
}

static void faults_enable(uint64_t seed)
{
    next_seed = seed;
    memset(failures, 0, sizeof failures);
    aio__backend_wrap = faults_wrap;
}

static void faults_disable(void)
{
    aio__backend_wrap = NULL;
}

static bool faults_fail_next(const char *opcode, int error, int count)
{
    for (unsigned i = 0; i < AIO__OP_COUNT; i++) {
        if (strcmp(aio__opcode_name(i), opcode) != 0)
            continue;
        failures[i].error = error;
        failures[i].count = count;
        return true;
    }
    return AIO_CHECK(!"an opcode has this name");
}

static const struct test_faults hooks = {faults_enable, faults_disable, faults_fail_next};

__attribute__((constructor)) static void faults_enter(void)
{
    test_faults = &hooks;
}
