/*
 * Opening, sharing and closing of handles, see handle.h.
 */
#include "core/handle.h"

#include "core/offload.h"
#include "core/op_run.h"
#include "core/runtime.h"
#include "core/task.h"

#include <aio/offload.h>
#include <unistd.h>

char aio__handle_detached[1];

void aio__handle_open(struct aio__handle *handle, struct aio__core *core, int fd,
                      const struct aio__handle_kind *kind)
{
    *handle = (struct aio__handle){.core = core, .fd = fd, .kind = kind, .next = core->handles};
    if (core->handles != NULL)
        core->handles->prev = handle;
    core->handles = handle;
    core->handles_open++;
}

void aio__handle_die(const struct aio__handle *handle, const char *function)
{
    AIO__REQUIRE(aio__core_current != NULL, "%s: %s used outside its runtime%s", function,
                 handle->kind->name, aio__fork_hint());
    AIO__REQUIRE(handle->core != AIO__DETACHED, "%s: this %s is detached: attach it first",
                 function, handle->kind->name);
    AIO__REQUIRE(handle->core->runtime == aio__core_current->runtime,
                 "%s: this %s belongs to another runtime", function, handle->kind->name);
    AIO__REQUIRE(false, "%s: this %s belongs to core %u and was used on core %u", function,
                 handle->kind->name, handle->core->index, aio__core_current->index);
    __builtin_unreachable();
}

struct gate_wait {
    struct aio__gate *gate;
    struct aio__wait wait;
};

static void gate_abort(struct aio__wait *wait)
{
    struct gate_wait *frame = AIO__CONTAINER(wait, struct gate_wait, wait);
    aio__wait_unlink(&frame->gate->queue, wait);
    aio__wake(wait, -ECANCELED);
}

int aio__gate_wait(struct aio__handle *handle, struct aio__gate *gate)
{
    struct gate_wait frame = {.gate = gate, .wait = {.abort = gate_abort, .what = "turn"}};
    aio__wait_enqueue(&gate->queue, &frame.wait);
    handle->calls++;
    int rc = aio__park(handle->core, &frame.wait);
    if (rc < 0) {
        rc = aio__wait_reason(&frame.wait);
        handle->calls--;
        aio__handle_last_call(handle);
        return handle->closing ? -EBADF : rc;
    }
    /* The turn is ours; if we were cancelled meanwhile, pass it on. */
    rc = handle->closing ? -EBADF : aio__interrupted(handle->core);
    return rc < 0 ? (int)aio__gate_leave(handle, gate, rc) : 0;
}

void aio__gate_pass(struct aio__gate *gate)
{
    struct aio__wait *wait = aio__wait_dequeue(&gate->queue);
    gate->busy = true;
    aio__wake(wait, 0);
}

void aio__handle_last_call(struct aio__handle *handle)
{
    if (handle->calls > 0 || handle->closer == NULL)
        return;
    struct aio__wait *closer = handle->closer;
    handle->closer = NULL;
    aio__wake(closer, 0);
}

void aio__watch_enter(struct aio__watch *watch, struct aio__handle *handle)
{
    watch->handle = handle;
    watch->prev = NULL;
    watch->next = handle->watches;
    if (handle->watches != NULL)
        handle->watches->prev = watch;
    handle->watches = watch;
    handle->calls++;
}

void aio__watch_leave(struct aio__watch *watch)
{
    struct aio__handle *handle = watch->handle;
    if (watch->prev == NULL)
        handle->watches = watch->next;
    else
        watch->prev->next = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    handle->calls--;
    aio__handle_last_call(handle);
}

void aio__watch_notify(struct aio__handle *handle, int result)
{
    for (struct aio__watch *watch = handle->watches; watch != NULL; watch = watch->next)
        watch->notify(watch, result);
}

static void gate_expel(struct aio__gate *gate)
{
    if (gate->inside != NULL)
        aio__wait_interrupt(gate->inside, -EBADF);
    struct aio__wait *next;
    for (struct aio__wait *wait = gate->queue.head; wait != NULL; wait = next) {
        next = wait->next; /* the interruption unlinks it */
        aio__wait_interrupt(wait, -EBADF);
    }
}

void aio__handle_expel(struct aio__handle *handle, struct aio__gate *const *gates, size_t count)
{
    AIO__REQUIRE(!handle->closing, "this %s is being closed already", handle->kind->name);
    handle->closing = true;
    for (size_t i = 0; i < count; i++)
        gate_expel(gates[i]);
    aio__watch_notify(handle, -EBADF);
    if (handle->calls == 0)
        return;
    struct aio__wait wait = {.abort = NULL, .what = "close"};
    handle->closer = &wait;
    (void)aio__park(handle->core, &wait);
}

int aio__handle_offload(struct aio__handle *handle, struct aio__wait **inside, int (*fn)(void *arg),
                        void *arg)
{
    struct aio__offload_call job = {.fn = fn, .arg = arg, .wait = {.task = handle->core->current}};
    if (handle->closing)
        return -EBADF;
    *inside = &job.wait;
    int rc = aio__offload_run(handle->core, &job);
    *inside = NULL;
    if (rc == -EAGAIN) /* slow is better than never */
        return fn(arg);
    return rc < 0 ? rc : job.value;
}

void aio__handle_part(struct aio__handle *handle)
{
    struct aio__core *core = handle->core;
    struct aio__op op = {.opcode = AIO__OP_FORGET, .fd = handle->fd};
    bool done = aio__op_submit(core, &op);
    AIO__REQUIRE(done, "backend %s: forget did not complete at once", core->backend->vtable->name);
    if (handle->prev == NULL)
        core->handles = handle->next;
    else
        handle->prev->next = handle->next;
    if (handle->next != NULL)
        handle->next->prev = handle->prev;
    core->handles_open--;
    handle->core = AIO__DETACHED;
}

/* With no call in progress there is no op in flight either. */
int aio__handle_release(struct aio__handle *handle)
{
    if (handle->closing)
        return -EBADF;
    if (handle->calls > 0)
        return -EBUSY;
    aio__handle_part(handle);
    return 0;
}

void aio__handle_finish(struct aio__handle *handle)
{
    aio__handle_part(handle);
    (void)close(handle->fd);
}

static int handle_close_fd(void *fd)
{
    return close(*(int *)fd) < 0 ? -errno : 0;
}

void aio__handle_finish_slowly(struct aio__handle *handle)
{
    aio__handle_part(handle);
    if (aio_offload_call(handle_close_fd, &handle->fd, NULL) < 0)
        (void)handle_close_fd(&handle->fd);
}

void aio__handle_close_all(struct aio__core *core)
{
    while (core->handles != NULL)
        core->handles->kind->close(core->handles);
}
