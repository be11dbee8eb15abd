/*
 * The clock, sleeping, ambient deadlines, shields.
 */
#include "core/scope.h"
#include "core/task.h"

#include <time.h>

int64_t aio_time_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t aio__time_after(int64_t length_ns)
{
    if (length_ns <= 0)
        return 0;
    int64_t now_ns = aio_time_now();
    return length_ns < AIO_FOREVER - now_ns ? now_ns + length_ns : AIO_FOREVER;
}

static void sleep_fired(struct aio__timer *timer)
{
    aio__wake(&AIO__CONTAINER(timer, struct aio__sleep, timer)->wait, 0);
}

/* The timer must not fire for a sleeper that is awake already and only has not run yet. */
static void sleep_abort(struct aio__wait *wait)
{
    struct aio__sleep *sleep = AIO__CONTAINER(wait, struct aio__sleep, wait);
    aio__heap_disarm(&wait->task->core->timers, &sleep->timer);
    aio__wake(wait, -ECANCELED);
}

int aio__sleep_until(struct aio__core *core, struct aio__sleep *sleep, int64_t at_ns)
{
    sleep->timer = AIO__TIMER_INIT(sleep_fired);
    sleep->wait.abort = sleep_abort;
    if (at_ns != AIO_FOREVER)
        aio__heap_arm(&core->timers, &sleep->timer, at_ns);
    return aio__park(core, &sleep->wait) < 0 ? aio__wait_reason(&sleep->wait) : 0;
}

int aio_time_sleep(int64_t duration_ns)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (duration_ns <= 0)
        return aio_task_yield();
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    struct aio__sleep sleep = {.wait = {.what = "sleep"}};
    return aio__sleep_until(core, &sleep, aio__time_after(duration_ns));
}

static void deadline_apply(struct aio_task *task, struct aio_deadline *deadline)
{
    task->deadlines = deadline;
    task->deadline_ns = deadline != NULL ? deadline->nearest_ns : AIO_FOREVER;
}

/* Among the task's own: those above are of the owners of the scopes it is in. */
static inline bool deadline_is_set(const struct aio_task *task, const struct aio_deadline *deadline)
{
    const struct aio_deadline *at = task->deadlines;
    while (at != NULL && at != deadline && at->task == task)
        at = at->outer;
    return at == deadline;
}

void aio_deadline_set(struct aio_deadline *deadline, int64_t timeout_ns)
{
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    AIO__REQUIRE(!deadline_is_set(task, deadline), "aio_deadline_set: this deadline is set");
    deadline->outer = task->deadlines;
    deadline->task = task;
    deadline->at_ns = aio__time_after(timeout_ns);
    deadline->nearest_ns =
        deadline->at_ns < task->deadline_ns ? deadline->at_ns : task->deadline_ns;
    deadline->expired = false;
    deadline_apply(task, deadline);
}

void aio_deadline_clear(struct aio_deadline *deadline)
{
    if (deadline->task == NULL)
        return;
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    AIO__REQUIRE(deadline->task == task, "aio_deadline_clear: another task set this deadline");
    AIO__REQUIRE(task->deadlines == deadline,
                 "aio_deadline_clear: an inner deadline or shield is still open");
    AIO__REQUIRE(task->scopes == NULL || task->scopes->deadlines != deadline,
                 "aio_deadline_clear: a scope opened inside is still open");
    deadline->task = NULL;
    deadline_apply(task, deadline->outer);
}

/* The nearest of those from `inner` to `outer`, and of what is nearest from there on. */
static int64_t deadline_nearest(const struct aio_deadline *inner, const struct aio_deadline *outer)
{
    int64_t nearest_ns = outer->nearest_ns;
    for (const struct aio_deadline *at = inner; at != outer; at = at->outer)
        nearest_ns = at->at_ns < nearest_ns ? at->at_ns : nearest_ns;
    return nearest_ns;
}

void aio__deadline_move(struct aio_deadline *deadline, int64_t at_ns)
{
    struct aio_task *task = deadline->task;
    const struct aio_deadline *outer = deadline->outer;
    bool shielded = !deadline_is_set(task, deadline);
    deadline->at_ns = at_ns;
    deadline->nearest_ns = outer != NULL && outer->nearest_ns < at_ns ? outer->nearest_ns : at_ns;
    if (shielded)
        return; /* what stands inside the shield knows nothing of it */
    for (struct aio_deadline *at = task->deadlines; at != deadline; at = at->outer)
        at->nearest_ns = deadline_nearest(at, deadline);
    task->deadline_ns = task->deadlines->nearest_ns;
}

bool aio_deadline_expired(const struct aio_deadline *deadline)
{
    return deadline->expired;
}

int aio__deadline_hit(struct aio_task *task)
{
    struct aio_deadline *deadline = task->deadlines;
    while (deadline != NULL && deadline->at_ns != task->deadline_ns)
        deadline = deadline->outer;
    if (deadline != NULL)
        deadline->expired = true;
    return -ETIMEDOUT;
}

void aio_shield_enter(struct aio_shield *shield)
{
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    shield->task = task;
    shield->deadlines = task->deadlines;
    shield->depth = ++task->shields;
    deadline_apply(task, NULL);
}

void aio_shield_leave(struct aio_shield *shield)
{
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    AIO__REQUIRE(shield->task == task, "aio_shield_leave: another task entered this shield");
    AIO__REQUIRE(shield->depth == task->shields, "aio_shield_leave: an inner shield is still open");
    AIO__REQUIRE(task->deadlines == NULL, "aio_shield_leave: a deadline set inside is still open");
    AIO__REQUIRE(task->scopes == NULL || task->scopes->shields < shield->depth,
                 "aio_shield_leave: a scope opened inside is still open");
    task->shields--;
    deadline_apply(task, shield->deadlines);
}
