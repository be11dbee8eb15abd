/*
 * Select's cases of time and of tasks that end.
 */
#include "core/select.h"

static void select_timer_fired(struct aio__timer *timer)
{
    struct aio__select *select = AIO__CONTAINER(timer, struct aio__select, timer);
    if (aio__select_claim(select->timed))
        aio__select_finish(select->timed, 0);
}

/* A task has room for one timer besides its deadline's, so only the nearest case is armed. */
static void select_arm(struct aio__core *core, struct aio__select_entry *entry, int64_t at_ns)
{
    struct aio__select *select = entry->select;
    if (at_ns == AIO_FOREVER || (select->timed != NULL && select->timer.at_ns <= at_ns))
        return;
    if (select->timed == NULL)
        select->timer = AIO__TIMER_INIT(select_timer_fired);
    select->timed = entry;
    aio__heap_arm(&core->timers, &select->timer, at_ns);
}

/* The one timer of all these cases is disarmed by the select. */
static void time_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core, (void)entry;
}

static bool after_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    of->result = 0;
    return of->time_ns <= 0;
}

static void after_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    select_arm(core, entry, aio__time_after(entry->of->time_ns));
}

static bool until_try(struct aio__core *core, struct aio_select_case *of)
{
    of->result = 0;
    return of->time_ns <= core->now_ns;
}

static void until_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    select_arm(core, entry, entry->of->time_ns);
}

struct aio_select_case aio_select_after(int64_t duration_ns)
{
    static const struct aio__select_kind kind = {after_try, after_enlist, time_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .time_ns = duration_ns};
}

struct aio_select_case aio_select_until(int64_t at_ns)
{
    static const struct aio__select_kind kind = {until_try, until_enlist, time_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .time_ns = at_ns};
}

/* The task has ended, so the join neither waits nor may be refused for what is pending here. */
static void join_now(struct aio_select_case *of)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    of->result = aio_task_join(of->object, of->item);
    aio_shield_leave(&shield);
}

static bool join_try(struct aio__core *core, struct aio_select_case *of)
{
    struct aio_task *task = of->object;
    aio__task_check_join(core, task, "aio_select_join");
    if (task->state != AIO__TASK_FINISHED)
        return false;
    join_now(of);
    return true;
}

static void join_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    struct aio_task *task = entry->of->object;
    aio__task_check_join(core, task, "aio_select_join");
    entry->party.wait.task = NULL;
    entry->party.object = task;
    task->joiner = &entry->party.wait;
}

static void join_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    struct aio_task *task = entry->party.object;
    if (task != NULL)
        task->joiner = NULL;
}

static void join_commit(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    join_now(entry->of);
}

struct aio_select_case aio_select_join(struct aio_task *task, int *result)
{
    static const struct aio__select_kind kind = {join_try, join_enlist, join_delist, join_commit};
    return (struct aio_select_case){.kind = &kind, .object = task, .item = result};
}
