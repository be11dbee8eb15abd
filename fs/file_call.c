/*
 * Calls on files: how they begin, wait and end.
 */
#include "fs/private.h"

#include "core/file_op.h"

static void call_closing(struct aio__watch *watch, int result)
{
    struct aio__file_call *call = AIO__CONTAINER(watch, struct aio__file_call, watch);
    if (call->waits != NULL)
        aio__wait_interrupt(call->waits, result);
}

int aio__file_enter(struct aio__file_call *call, struct aio_file *file, struct aio__gate *gate)
{
    struct aio__handle *handle = &file->handle;
    call->file = file;
    call->gate = gate;
    if (gate != NULL) {
        call->inside = &gate->inside;
        return aio__gate_enter(handle, gate);
    }
    int rc = aio__interrupted(handle->core);
    if (__builtin_expect(rc < 0 || handle->closing, 0))
        return rc < 0 ? rc : -EBADF;
    call->waits = NULL;
    call->inside = &call->waits;
    call->watch.notify = call_closing;
    aio__watch_enter(&call->watch, handle);
    return 0;
}

ssize_t aio__file_leave(struct aio__file_call *call, ssize_t result)
{
    struct aio__handle *handle = &call->file->handle;
    if (call->gate != NULL)
        return aio__gate_leave(handle, call->gate, result);
    bool closing = handle->closing; /* after its last call the handle may be gone */
    aio__watch_leave(&call->watch);
    return closing ? -EBADF : result;
}

int aio__file_run_threaded(struct aio__file_call *call, struct aio__op *op)
{
    return aio__file_offload(call, aio__file_perform_job, op);
}

int aio__file_run(struct aio__file_call *call, struct aio__op_frame *frame, const char *what)
{
    struct aio__handle *handle = &call->file->handle;
    if (call->file->threaded)
        return aio__file_run_threaded(call, &frame->op);
    int rc = aio__handle_run(handle, call->inside, frame, what);
    *call->inside = NULL; /* the frame may be gone before the next wait */
    return rc;
}

int aio__file_offload(struct aio__file_call *call, int (*fn)(void *arg), void *arg)
{
    return aio__handle_offload(&call->file->handle, call->inside, fn, arg);
}

int aio__file_job(struct aio_file *file, int (*fn)(void *arg), void *arg)
{
    struct aio__file_call call;
    int rc = aio__file_enter(&call, file, NULL);
    if (rc < 0)
        return rc;
    return (int)aio__file_leave(&call, aio__file_offload(&call, fn, arg));
}

int aio__file_pause(struct aio__file_call *call, int64_t length_ns)
{
    struct aio__handle *handle = &call->file->handle;
    struct aio__sleep pause = {.wait = {.what = "file pause", .task = handle->core->current}};
    if (handle->closing)
        return -EBADF;
    *call->inside = &pause.wait;
    int rc = aio__sleep_until(handle->core, &pause, aio__time_after(length_ns));
    *call->inside = NULL;
    return rc;
}
