/*
 * Bells, see bell.h. The timer is the second one that a task may use, as a sleep's is.
 */
#include "net/bell.h"

#include "core/task.h"

static void bell_abort(struct aio__wait *wait)
{
    aio__wake(wait, -ECANCELED);
}

static void bell_fired(struct aio__timer *timer)
{
    aio__bell_ring(AIO__CONTAINER(timer, struct aio__bell, timer));
}

void aio__bell_init(struct aio__bell *bell, struct aio__core *core, const char *what)
{
    *bell = (struct aio__bell){.core = core, .wait = {.abort = bell_abort, .what = what}};
    bell->timer = AIO__TIMER_INIT(bell_fired);
}

void aio__bell_ring(struct aio__bell *bell)
{
    struct aio_task *task = bell->wait.task;
    bell->rung = true;
    if (task != NULL && task->wait == &bell->wait)
        aio__wake(&bell->wait, 0);
}

int aio__bell_wait(struct aio__bell *bell, int64_t until_ns)
{
    struct aio__core *core = bell->core;
    int rc = aio__interrupted(core);
    if (rc == 0 && !bell->rung) {
        if (until_ns != AIO_FOREVER)
            aio__heap_arm(&core->timers, &bell->timer, until_ns);
        rc = aio__park(core, &bell->wait) < 0 ? aio__wait_reason(&bell->wait) : 0;
        aio__heap_disarm(&core->timers, &bell->timer);
    }
    bell->rung = false;
    bell->wait.task = NULL;
    return rc;
}
