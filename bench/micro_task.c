/* What do tasks cost? Nanoseconds of a yield, a spawn with its join, a deadline.
 *
 * Each measure is a JSON line; bench/lib/measure.h has the arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MANY_TASKS = 1000, MANY_SLEEPERS = 10000 };

static int yield_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++)
        measure_check(aio_task_yield(), "yield");
    return 0;
}

/* All tasks yield to each other; the caller waits in a join meanwhile. */
static long yield_among(long loops, int tasks)
{
    static struct aio_task *handles[MANY_TASKS];
    long each = loops / tasks;

    for (int i = 0; i < tasks; i++)
        measure_check(aio_task_spawn(&handles[i], yield_often, &each, NULL), "spawn");
    for (int i = 0; i < tasks; i++)
        measure_check(aio_task_join(handles[i], NULL), "join");
    return each * tasks;
}

static long yield_two(long loops)
{
    return yield_among(loops, 2);
}

static long yield_many(long loops)
{
    return yield_among(20 * loops, MANY_TASKS); /* so often that the spawns do not count */
}

static int nothing(void *argument)
{
    return argument != NULL;
}

static long spawn_join(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_task *task;

        measure_check(aio_task_spawn(&task, nothing, NULL, NULL), "spawn");
        measure_check(aio_task_join(task, NULL), "join");
    }
    return loops;
}

/* A wave of tasks, as when many connections come in at once. */
static long spawn_wave(long loops)
{
    for (long i = 0; i < loops; i++) {
        measure_check(aio_task_spawn(NULL, nothing, NULL, NULL), "spawn");
        if (i % MANY_TASKS == 0)
            measure_check(aio_task_yield(), "yield");
    }
    return loops;
}

static void join_within(int64_t timeout_ns)
{
    struct aio_task *task;

    measure_check(aio_task_spawn(&task, nothing, NULL, NULL), "spawn");
    AIO_TIMEOUT(timeout_ns)
    {
        measure_check(aio_task_join(task, NULL), "join");
    }
}

/* The join waits, so the deadline is in force: its timer is armed, unless one of the task's that
 * is due earlier still is. */
static long deadline_join(long loops)
{
    for (long i = 0; i < loops; i++)
        join_within(AIO_SEC(60));
    return loops;
}

/* Each deadline is nearer than the one before, so a timer must be armed each time. */
static long deadline_nearer(long loops)
{
    for (long i = 0; i < loops; i++)
        join_within(AIO_SEC(3000) - AIO_US(i));
    return loops;
}

static long deadline(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_deadline d;

        aio_deadline_set(&d, AIO_SEC(60));
        aio_deadline_clear(&d);
    }
    return loops;
}

static long shield(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_shield s;

        aio_shield_enter(&s);
        aio_shield_leave(&s);
    }
    return loops;
}

static int64_t sum; /* keeps the calls below from being left out */

static long clock_read(long loops)
{
    for (long i = 0; i < loops; i++)
        sum += aio_time_now();
    return loops;
}

static long system_call(long loops)
{
    for (long i = 0; i < loops; i++)
        sum += syscall(SYS_getppid);
    return loops;
}

static int sleep_long(void *argument)
{
    (void)argument;
    return aio_time_sleep(AIO_SEC(3600));
}

/* What a deadline adds to a wait, without the clock that it reads. Below zero when the processor
 * reads the clock while it does the rest. */
static void measure_deadlines(void)
{
    static long (*const bodies[])(long) = {spawn_join, clock_read, deadline_join, deadline_nearer};
    double ns[4];

    if (!measure_wanted("deadline_armed_10000_timers"))
        return;
    measure_together(4, bodies, ns);
    measure_report("deadline_armed_10000_timers", ns[2] - ns[0] - ns[1]);
    measure_report("deadline_nearer_10000_timers", ns[3] - ns[0] - ns[1]);
}

/* The timers of many sleepers are in the heap while a deadline comes and goes. */
static void measure_among_sleepers(void)
{
    struct aio_task **sleepers = calloc(MANY_SLEEPERS, sizeof *sleepers);

    for (int i = 0; sleepers && i < MANY_SLEEPERS; i++)
        measure_check(aio_task_spawn(&sleepers[i], sleep_long, NULL, NULL), "spawn");
    measure_check(aio_task_yield(), "yield");
    measure_print("deadline_join_10000_timers", deadline_join);
    measure_deadlines();
    for (int i = 0; sleepers && i < MANY_SLEEPERS; i++) {
        aio_task_cancel(sleepers[i]);
        measure_check(aio_task_join(sleepers[i], NULL), "join");
    }
    free(sleepers);
}

AIO_MAIN(argc, argv)
{
    measure_begin(argc, argv);
    measure_print("yield", yield_two);
    measure_print("yield_1000_tasks", yield_many);
    measure_print("spawn_join", spawn_join);
    measure_print("spawn_detached", spawn_wave);
    measure_print("deadline", deadline);
    measure_print("deadline_join", deadline_join);
    measure_among_sleepers();
    measure_print("shield", shield);
    measure_print("clock", clock_read);
    measure_print("syscall", system_call);
    return 0;
}
