/*
 * A handle: a descriptor that tasks of one core use, and the protocol by which it is closed:
 * cancel every call on it, await them, tell the backend to forget the descriptor, then close(2).
 *
 * A gate is one direction of a handle. It admits one call at a time, FIFO, for the whole call, so
 * a backend sees at most one op per descriptor and direction, and the bytes of two calls never
 * mix.
 */
#ifndef AIO_CORE_HANDLE_H
#define AIO_CORE_HANDLE_H

#include "core/core.h"
#include "core/op_run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct aio__gate {
    bool busy;                    /* a call is inside */
    struct aio__wait *inside;     /* what that call waits for, if it is parked */
    struct aio__wait_queue queue; /* calls that wait for their turn */
};

/* Somebody who wants to know of a handle without making a call on it; in his own frame. While it is
 * listed it counts as a call, so a close waits for it to leave. */
struct aio__watch {
    struct aio__handle *handle;
    void (*notify)(struct aio__watch *watch, int result); /* -EBADF: closing; does not leave yet */
    struct aio__watch *next;
    struct aio__watch *prev;
};

struct aio__handle_kind {
    const char *name;
    void (*close)(struct aio__handle *handle); /* at the end of a runtime: as the user's close */
};

/* The core of a handle that no core has; it is never looked into. */
extern char aio__handle_detached[];
#define AIO__DETACHED ((struct aio__core *)(void *)aio__handle_detached)

struct aio__handle {
    struct aio__core *core;
    int fd;
    bool closing;
    bool served;    /* a file that its file system may have to ask a server about */
    uint32_t calls; /* calls in progress, waiting ones included */
    struct aio__watch *watches;
    struct aio__wait *closer;
    const struct aio__handle_kind *kind;
    struct aio__handle *next;
    struct aio__handle *prev;
};

/* Adds a handle for fd to the core's list. */
void aio__handle_open(struct aio__handle *handle, struct aio__core *core, int fd,
                      const struct aio__handle_kind *kind);

/*
 * Starts closing: calls that come from now on, and those in progress at these gates, get -EBADF;
 * returns when the last has left. Then end ops of your own and call aio__handle_finish. The whole
 * is shielded by the caller.
 */
void aio__handle_expel(struct aio__handle *handle, struct aio__gate *const *gates, size_t count);

/* Takes the handle off the list, with nothing in flight: the backend forgets its descriptor, and it
 * is detached. */
void aio__handle_part(struct aio__handle *handle);

/* The same at the user's wish: 0; -EBUSY while calls are in progress; -EBADF. */
int aio__handle_release(struct aio__handle *handle);

/* The same as aio__handle_part, and closes the descriptor. */
void aio__handle_finish(struct aio__handle *handle);

/* The same where close(2) may wait: a thread of the offload pool makes the call, in place when
 * there is none to be had. Waits; shielded by the caller. */
void aio__handle_finish_slowly(struct aio__handle *handle);

/* Closes what the user left open; on the root task when a runtime ends. */
void aio__handle_close_all(struct aio__core *core);

_Noreturn void aio__handle_die(const struct aio__handle *handle, const char *function);

/* The core of a handle used by the calling task; dies when it is another runtime's. */
static inline struct aio__core *aio__handle_core(const struct aio__handle *handle,
                                                 const char *function)
{
    if (__builtin_expect(handle->core != aio__core_current, 0))
        aio__handle_die(handle, function);
    return handle->core;
}

/* The slow half of aio__gate_enter: waits for the turn. */
int aio__gate_wait(struct aio__handle *handle, struct aio__gate *gate);

/* Lets the next call in. */
void aio__gate_pass(struct aio__gate *gate);

void aio__watch_enter(struct aio__watch *watch, struct aio__handle *handle);
void aio__watch_leave(struct aio__watch *watch);

/* Tells all that watch the handle. */
void aio__watch_notify(struct aio__handle *handle, int result);

void aio__handle_last_call(struct aio__handle *handle);

/*
 * Begins a call in one direction. Returns 0 with the gate held; -ECANCELED, -ETIMEDOUT or -EBADF
 * without it.
 */
static inline int aio__gate_enter(struct aio__handle *handle, struct aio__gate *gate)
{
    int rc = aio__interrupted(handle->core);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    if (__builtin_expect(handle->closing, 0))
        return -EBADF;
    if (__builtin_expect(gate->busy, 0))
        return aio__gate_wait(handle, gate);
    gate->busy = true;
    handle->calls++;
    return 0;
}

/* Ends a call. Returns its result; -EBADF when the handle was closed meanwhile. */
static inline ssize_t aio__gate_leave(struct aio__handle *handle, struct aio__gate *gate,
                                      ssize_t result)
{
    bool closing = handle->closing;
    gate->inside = NULL;
    gate->busy = false;
    if (__builtin_expect(gate->queue.head != NULL, 0))
        aio__gate_pass(gate);
    handle->calls--;
    if (__builtin_expect(closing, 0)) {
        aio__handle_last_call(handle);
        return -EBADF;
    }
    return result;
}

/*
 * Runs an op of a call. A close while the task was woken already, or while an instant op gave way,
 * has interrupted nothing: look before each op. The wait, which a close finds in *inside, has its
 * task from the start.
 */
static inline int aio__handle_run_flagged(struct aio__handle *handle, struct aio__wait **inside,
                                          struct aio__op_frame *frame, uint16_t flags,
                                          const char *what)
{
    if (__builtin_expect(handle->closing, 0))
        return -EBADF;
    frame->wait.task = handle->core->current;
    *inside = &frame->wait;
    return aio__op_run_flagged(handle->core, frame, flags, what);
}

static inline int aio__handle_run(struct aio__handle *handle, struct aio__wait **inside,
                                  struct aio__op_frame *frame, const char *what)
{
    return aio__handle_run_flagged(handle, inside, frame, 0, what);
}

/* The same inside a gate. */
static inline int aio__gate_run(struct aio__handle *handle, struct aio__gate *gate,
                                struct aio__op_frame *frame, const char *what)
{
    return aio__handle_run(handle, &gate->inside, frame, what);
}

static inline int aio__gate_run_flagged(struct aio__handle *handle, struct aio__gate *gate,
                                        struct aio__op_frame *frame, uint16_t flags,
                                        const char *what)
{
    return aio__handle_run_flagged(handle, &gate->inside, frame, flags, what);
}

/* Runs fn(arg) inside a call on a thread of the offload pool; in place when there is none to be
 * had. Returns what fn did; -EBADF, or why it did not run. */
int aio__handle_offload(struct aio__handle *handle, struct aio__wait **inside, int (*fn)(void *arg),
                        void *arg);

/* A descriptor that was given to us becomes close-on-exec; not a standard one, which children are
 * to have as well. Returns 0 or -errno. */
static inline int aio__handle_seal(int fd)
{
    return fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

#endif
