/*
 * Watches: an inotify descriptor as a handle, read a buffer at a time and given out one by one.
 */
#include "core/alloc.h"
#include "core/handle.h"
#include "core/task.h"

#include <aio/offload.h>
#include <aio/watch.h>
#include <limits.h>
#include <unistd.h>

#define WATCH_BYTES 8192

/* A read that has no room for the next event is EINVAL, for ever. NAME_MAX binds no file system: a
 * name may be as long as a path, and is padded to the alignment of events. */
_Static_assert(WATCH_BYTES >= 2 * sizeof(struct inotify_event) + PATH_MAX, "the longest event");

struct aio_watch {
    struct aio__handle handle; /* first member */
    struct aio__gate reading;
    struct aio__gate adding;
    size_t at; /* of the events that have been read, those from here on are to be given out */
    size_t filled;
    _Alignas(struct inotify_event) char events[WATCH_BYTES];
};

static void watch_close_handle(struct aio__handle *handle)
{
    aio_watch_close((struct aio_watch *)(void *)handle);
}

static const struct aio__handle_kind watch_kind = {"watch", watch_close_handle};

int aio_watch_open(struct aio_watch **out)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_watch *watch = aio__alloc_zero(sizeof *watch);
    if (watch == NULL)
        return -ENOMEM;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) {
        int error = errno;
        aio__free(watch);
        return -error;
    }
    aio__handle_open(&watch->handle, core, fd, &watch_kind);
    *out = watch;
    return 0;
}

struct watch_add {
    int fd;
    const char *path;
    uint32_t mask;
};

static int watch_add_on_thread(void *arg)
{
    const struct watch_add *add = arg;
    int id = inotify_add_watch(add->fd, add->path, add->mask);
    return id < 0 ? -errno : id;
}

int aio_watch_add(struct aio_watch *watch, const char *path, uint32_t mask)
{
    (void)aio__handle_core(&watch->handle, __func__);
    struct watch_add add = {watch->handle.fd, path, mask};
    int result = 0;
    int rc = aio__gate_enter(&watch->handle, &watch->adding);
    if (rc < 0)
        return rc;
    rc = aio_offload_call(watch_add_on_thread, &add, &result);
    return (int)aio__gate_leave(&watch->handle, &watch->adding, rc < 0 ? rc : result);
}

int aio_watch_remove(struct aio_watch *watch, int id)
{
    (void)aio__handle_core(&watch->handle, __func__);
    if (watch->handle.closing)
        return -EBADF;
    return inotify_rm_watch(watch->handle.fd, id) < 0 ? -errno : 0;
}

/* Inside the gate. */
static int watch_fill(struct aio_watch *watch)
{
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_READ;
    frame.op.fd = watch->handle.fd;
    frame.op.file.buffer = watch->events;
    frame.op.file.length = sizeof watch->events;
    frame.op.file.offset = -1;
    int rc = aio__gate_run(&watch->handle, &watch->reading, &frame, "watch");
    if (rc <= 0)
        return rc < 0 ? rc : -EIO;
    watch->at = 0;
    watch->filled = (size_t)rc;
    return 0;
}

/* The kernel ends names with zeroes, at least one, so that the next event is aligned. */
static void watch_take(struct aio_watch *watch, struct aio_watch_event *event)
{
    const struct inotify_event *at = (const void *)(watch->events + watch->at);
    event->id = at->wd;
    event->mask = at->mask;
    event->cookie = at->cookie;
    event->name = at->len > 0 ? at->name : "";
    watch->at += sizeof *at + at->len;
}

int aio_watch_next(struct aio_watch *watch, struct aio_watch_event *event)
{
    struct aio__core *core = aio__handle_core(&watch->handle, __func__);
    int rc = aio__gate_enter(&watch->handle, &watch->reading);
    if (rc < 0)
        return rc;
    if (watch->at == watch->filled)
        rc = watch_fill(watch);
    else
        aio__charge(core);
    if (rc == 0)
        watch_take(watch, event);
    return (int)aio__gate_leave(&watch->handle, &watch->reading, rc);
}

/* The kernel waits for a grace period of its own before close(2) returns: tens of milliseconds. */
void aio_watch_close(struct aio_watch *watch)
{
    if (watch == NULL)
        return;
    (void)aio__handle_core(&watch->handle, __func__);
    struct aio__gate *const gates[] = {&watch->reading, &watch->adding};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&watch->handle, gates, 2);
    aio__handle_finish_slowly(&watch->handle);
    aio_shield_leave(&shield);
    aio__free(watch);
}
