/*
 * aio_offload_call: calls of tasks into the offload pool, and the bound on them.
 *
 * All of it runs on the core's thread. A call waits for a place, then stands in the pool (queued,
 * run by a thread, finished), then its task wakes. The loop moves it from the one to the other when
 * a place falls free, so its task sleeps through and nothing granted can be lost. A cancelled call
 * leaves the line or the queue; from a thread it cannot be taken.
 */
#include "core/offload.h"

#include "core/task.h"

#include <aio/offload.h>

static int call_enter_pool(struct aio__core *core, struct aio__offload_call *call)
{
    int rc = aio__offload_push(core->offload, &call->op);
    if (rc < 0)
        return rc;
    call->in_pool = true;
    core->offload->calls++;
    core->ops_pending++;
    return 0;
}

/* Gives free places to those who wait for one. Without a thread to be had, they are told so. */
static void call_admit(struct aio__core *core)
{
    struct aio__offload *offload = core->offload;
    while (offload->waiting > 0 && offload->calls < offload->call_limit) {
        struct aio__wait *wait = aio__wait_dequeue(&offload->waiters);
        offload->waiting--;
        int rc = call_enter_pool(core, AIO__CONTAINER(wait, struct aio__offload_call, wait));
        if (rc < 0)
            aio__wake(wait, rc);
    }
}

static void call_leave_pool(struct aio__core *core)
{
    core->offload->calls--;
    core->ops_pending--;
    call_admit(core);
}

static void call_done(struct aio__op *op)
{
    struct aio__offload_call *call = AIO__CONTAINER(op, struct aio__offload_call, op);
    struct aio__core *core = call->wait.task->core;
    aio__wake(&call->wait, 0);
    call_leave_pool(core);
}

static void call_abort(struct aio__wait *wait)
{
    struct aio__offload_call *call = AIO__CONTAINER(wait, struct aio__offload_call, wait);
    struct aio__core *core = wait->task->core;
    if (!call->in_pool) {
        aio__wait_unlink(&core->offload->waiters, wait);
        core->offload->waiting--;
        aio__wake(wait, -ECANCELED);
    } else if (aio__offload_withdraw(core->offload, &call->op)) {
        aio__wake(wait, -ECANCELED);
        call_leave_pool(core);
    }
}

/* Puts the call into the pool, or into the line for it. */
static int call_begin(struct aio__core *core, struct aio__offload_call *call)
{
    struct aio__offload *offload = core->offload;
    if (offload->calls < offload->call_limit)
        return call_enter_pool(core, call);
    aio__wait_enqueue(&offload->waiters, &call->wait);
    offload->waiting++;
    return 0;
}

int aio__offload_run(struct aio__core *core, struct aio__offload_call *call)
{
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    call->op = (struct aio__op){.opcode = AIO__OFFLOAD_CALL, .complete = call_done};
    call->in_pool = false;
    call->wait.abort = call_abort;
    call->wait.what = "offload";
    core->ops++;
    rc = call_begin(core, call);
    if (rc == 0)
        rc = aio__park(core, &call->wait);
    return rc == -ECANCELED ? aio__wait_reason(&call->wait) : rc;
}

int aio_offload_call(int (*fn)(void *arg), void *arg, int *result)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio__offload_call call = {.fn = fn, .arg = arg};
    int rc = aio__offload_run(core, &call);
    if (rc < 0)
        return rc;
    if (result != NULL)
        *result = call.value;
    return 0;
}
