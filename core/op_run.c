/*
 * Running an op from a task, see op_run.h.
 */
#include "core/op_run.h"

#include "core/core.h"
#include "core/task.h"

bool aio__op_submit(struct aio__core *core, struct aio__op *op)
{
    struct aio__backend *backend = core->backend;
    AIO__ASSERT(op->state == AIO__OP_IDLE);
    core->ops++;
    backend->vtable->submit(backend, op);
    if (op->state == AIO__OP_DONE) {
        (void)aio__op_list_remove(&backend->done, op);
        op->state = AIO__OP_IDLE;
        return true;
    }
    AIO__ASSERT(op->state == AIO__OP_SUBMITTED);
    core->ops_pending++;
    return false;
}

void aio__op_cancel(struct aio__core *core, struct aio__op *op)
{
    core->backend->vtable->cancel(core->backend, op);
}

static void op_complete(struct aio__op *op)
{
    aio__wake(&AIO__CONTAINER(op, struct aio__op_frame, op)->wait, op->result);
}

/* The task is woken by the op's completion and by nothing else: the kernel may still use its frame.
 */
static void op_abort(struct aio__wait *wait)
{
    struct aio__op_frame *frame = AIO__CONTAINER(wait, struct aio__op_frame, wait);
    aio__op_cancel(wait->task->core, &frame->op);
}

static inline bool op_start(struct aio__core *core, struct aio__op_frame *frame, uint16_t flags)
{
    frame->op.state = AIO__OP_IDLE;
    frame->op.flags = flags;
    frame->op.complete = op_complete;
    return aio__op_submit(core, &frame->op);
}

/* A backend tries an op before it looks at its cancel. */
int aio__op_try(struct aio__core *core, struct aio__op_frame *frame, const char *what)
{
    if (op_start(core, frame, 0))
        return frame->op.result;
    aio__op_cancel(core, &frame->op);
    frame->wait.abort = NULL;
    frame->wait.what = what;
    return aio__park(core, &frame->wait);
}

int aio__op_run_flagged(struct aio__core *core, struct aio__op_frame *frame, uint16_t flags,
                        const char *what)
{
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (op_start(core, frame, flags)) {
        rc = frame->op.result;
        aio__charge_bytes(core, rc > 0 ? (size_t)rc : 0);
        return rc;
    }
    frame->wait.abort = op_abort;
    frame->wait.what = what;
    rc = aio__park(core, &frame->wait);
    if (__builtin_expect(rc == -ECANCELED && frame->wait.interrupted != 0, 0))
        return aio__wait_reason(&frame->wait);
    return rc;
}
