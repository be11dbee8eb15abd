/* What do tasks cost? Nanoseconds of a yield, a spawn with its join, a deadline.
 *
 * Each measure is the best of REPEATS loops, which leaves out what interrupted the others, and is
 * printed as a JSON line. --quick makes the loops short, to prove that everything runs. */
#include <aio/aio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REPEATS = 7, MANY_TASKS = 1000, MANY_SLEEPERS = 10000 };

static long loops = 200000;

static void check(int rc, const char *what)
{
    if (rc < 0)
        exit(aio_error_exit(rc, what));
}

/* Nanoseconds per operation; body returns how many it did. */
static void measure(const char *name, long (*body)(void))
{
    double best = 0;

    for (int i = 0; i < REPEATS; i++) {
        int64_t begin = aio_time_now();
        long count = body();
        double ns = (double)(aio_time_now() - begin) / (double)count;

        if (i == 0 || ns < best)
            best = ns;
    }
    printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, best);
    fflush(stdout);
}

static int yield_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++)
        check(aio_task_yield(), "yield");
    return 0;
}

/* All tasks yield to each other; the caller waits in a join meanwhile. */
static long yield_among(int tasks)
{
    static struct aio_task *handles[MANY_TASKS];
    long each = loops / tasks;

    for (int i = 0; i < tasks; i++)
        check(aio_task_spawn(&handles[i], yield_often, &each, NULL), "spawn");
    for (int i = 0; i < tasks; i++)
        check(aio_task_join(handles[i], NULL), "join");
    return each * tasks;
}

static long yield_two(void)
{
    return yield_among(2);
}

static long yield_many(void)
{
    return yield_among(MANY_TASKS);
}

static int nothing(void *argument)
{
    return argument != NULL;
}

static long spawn_join(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_task *task;

        check(aio_task_spawn(&task, nothing, NULL, NULL), "spawn");
        check(aio_task_join(task, NULL), "join");
    }
    return loops;
}

/* A wave of tasks, as when many connections come in at once. */
static long spawn_wave(void)
{
    for (long i = 0; i < loops; i++) {
        check(aio_task_spawn(NULL, nothing, NULL, NULL), "spawn");
        if (i % MANY_TASKS == 0)
            check(aio_task_yield(), "yield");
    }
    return loops;
}

/* The join waits, so the deadline's timer is really armed and taken back. */
static long deadline_join(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_task *task;

        check(aio_task_spawn(&task, nothing, NULL, NULL), "spawn");
        AIO_TIMEOUT(AIO_SEC(60))
        {
            check(aio_task_join(task, NULL), "join");
        }
    }
    return loops;
}

static long deadline(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_deadline d;

        aio_deadline_set(&d, AIO_SEC(60));
        aio_deadline_clear(&d);
    }
    return loops;
}

static long shield(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_shield s;

        aio_shield_enter(&s);
        aio_shield_leave(&s);
    }
    return loops;
}

static int64_t sum; /* keeps the calls below from being left out */

static long clock_read(void)
{
    for (long i = 0; i < loops; i++)
        sum += aio_time_now();
    return loops;
}

static long system_call(void)
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

/* The timers of many sleepers are in the heap while a deadline comes and goes. */
static void measure_among_sleepers(void)
{
    struct aio_task **sleepers = calloc(MANY_SLEEPERS, sizeof *sleepers);

    for (int i = 0; sleepers && i < MANY_SLEEPERS; i++)
        check(aio_task_spawn(&sleepers[i], sleep_long, NULL, NULL), "spawn");
    check(aio_task_yield(), "yield");
    measure("deadline_join_10000_timers", deadline_join);
    for (int i = 0; sleepers && i < MANY_SLEEPERS; i++) {
        aio_task_cancel(sleepers[i]);
        check(aio_task_join(sleepers[i], NULL), "join");
    }
    free(sleepers);
}

AIO_MAIN(argc, argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0)
        loops = 2000;
    measure("yield", yield_two);
    measure("yield_1000_tasks", yield_many);
    measure("spawn_join", spawn_join);
    measure("spawn_detached", spawn_wave);
    measure("deadline", deadline);
    measure("deadline_join", deadline_join);
    measure_among_sleepers();
    measure("shield", shield);
    measure("clock", clock_read);
    measure("syscall", system_call);
    return 0;
}
