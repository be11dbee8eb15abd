/*
 * Calling a function on another core: it runs there as a task, and its answer wakes the caller.
 *
 * The call stands in the caller's frame and goes to the other core and back as mail. A cancellation
 * follows it as a second mail, which comes back too: the caller goes on when nothing of its frame
 * is under way any more.
 */
#include "core/post.h"
#include "core/runtime.h"
#include "core/task.h"

#include <aio/core.h>

struct call {
    struct aio__mail mail;
    struct aio__mail cancel;
    struct aio__core *home;
    struct aio__core *away;
    int under_way; /* of the two mails; home's */
    int error;     /* why fn did not run; away's until the answer is sent */
    int result;
    struct aio_task *task; /* that runs fn; away's */
    int (*fn)(void *arg);
    void *arg;
    struct aio__wait wait;
};

static void call_came_back(struct call *call)
{
    if (--call->under_way == 0)
        aio__wake(&call->wait, 0);
}

static void call_answered(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    call_came_back(AIO__CONTAINER(mail, struct call, mail));
}

static void call_cancel_returned(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    call_came_back(AIO__CONTAINER(mail, struct call, cancel));
}

/* The caller waits at home, so that its mailbox is open. */
static void call_send_home(struct call *call, struct aio__mail *mail,
                           void (*deliver)(struct aio__core *, struct aio__mail *))
{
    mail->deliver = deliver;
    (void)aio__mailbox_post(call->home->mailbox, mail);
}

static int call_run(void *arg)
{
    struct call *call = arg;
    int result = call->fn(call->arg);
    struct aio_task *task = aio_task_current();
    if (task->locals != NULL) /* their destructors may use the caller's frame, as fn does */
        aio__locals_end(task);
    call->result = result;
    call->task = NULL;
    call_send_home(call, &call->mail, call_answered);
    return result;
}

static void call_arrived(struct aio__core *core, struct aio__mail *mail)
{
    struct call *call = AIO__CONTAINER(mail, struct call, mail);
    const struct aio_task_options options = {.size = sizeof options, .name = "call"};
    if (atomic_load_explicit(&core->refusing, memory_order_relaxed))
        call->error = -ESHUTDOWN;
    else
        call->error = aio__task_start_late(core, &call->task, call_run, call, &options);
    if (call->error < 0)
        call_send_home(call, mail, call_answered);
}

static void call_cancel_arrived(struct aio__core *core, struct aio__mail *mail)
{
    struct call *call = AIO__CONTAINER(mail, struct call, cancel);
    (void)core;
    if (call->task != NULL)
        aio__task_cancel(call->task);
    call_send_home(call, mail, call_cancel_returned);
}

/* When the other core has ended its answer is on its way. */
static void call_abort(struct aio__wait *wait)
{
    struct call *call = AIO__CONTAINER(wait, struct call, wait);
    call->cancel.deliver = call_cancel_arrived;
    call->under_way++;
    if (!aio__mailbox_post(call->away->mailbox, &call->cancel))
        call->under_way--;
}

int aio_core_call(uint32_t index, int (*fn)(void *arg), void *arg, int *result)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct call call = {.mail = {.deliver = call_arrived},
                        .home = core,
                        .under_way = 1,
                        .fn = fn,
                        .arg = arg,
                        .wait = {.abort = call_abort, .what = "core call"}};
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (index == core->index) {
        call.result = fn(arg);
    } else {
        rc = aio__post_find(core->runtime, index, &call.away);
        if (rc < 0)
            return rc;
        if (!aio__mailbox_post(call.away->mailbox, &call.mail))
            return -ESHUTDOWN;
        (void)aio__park(core, &call.wait);
    }
    if (call.error == 0 && result != NULL)
        *result = call.result;
    return call.error;
}
