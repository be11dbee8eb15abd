/*
 * Yielding, and who a task is: its handle, its name.
 */
#define SUITE "task_yield"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct record {
    char text[64];
    size_t length;
};

struct writer {
    struct record *record;
    char letter;
};

static int write_letters(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < 4; i++) {
        writer->record->text[writer->record->length++] = writer->letter;
        if (aio_task_yield() < 0)
            return -1;
    }
    return 0;
}

/* Ready tasks run in the order in which they became ready, each once per round. */
BEHAVIOUR(ready_tasks_take_turns)
{
    struct record record = {"", 0};
    struct writer writers[3] = {{&record, 'a'}, {&record, 'b'}, {&record, 'c'}};
    struct aio_task *tasks[3];
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], write_letters, &writers[i], NULL));
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    AIO_CHECK_STR(record.text, "abcabcabcabc");
}

/* A yield lets every task that is ready run once before the caller goes on. */
BEHAVIOUR(yield_lets_all_others_run_once)
{
    struct record record = {"", 0};
    struct writer writers[3] = {{&record, 'a'}, {&record, 'b'}, {&record, 'c'}};
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(aio_task_spawn(NULL, write_letters, &writers[i], NULL));
    for (int round = 1; round <= 4; round++) {
        REQUIRE_OK(aio_task_yield());
        AIO_CHECK_EQ(record.length, 3 * round);
    }
    REQUIRE_OK(aio_task_yield()); /* and end */
}

/* Alone, a yield returns to the caller. */
BEHAVIOUR(yield_alone)
{
    for (int i = 0; i < 1000; i++)
        REQUIRE_OK(aio_task_yield());
}

static int count_yields(void *arg)
{
    int *counters = arg, *all = counters + 1;
    for (int i = 0; i < 100; i++) {
        /* Nobody is ahead of another by more than a round. */
        if (++*all > 1000 * (i + 1) || aio_task_yield() < 0)
            return -1;
    }
    counters[0]++;
    return 0;
}

/* A thousand tasks yield a hundred times each, in step. */
BEHAVIOUR(yield_storm)
{
    int counters[2] = {0, 0};
    uint64_t switches = task_stats().switches;
    for (int i = 0; i < 1000; i++)
        REQUIRE_OK(aio_task_spawn(NULL, count_yields, counters, NULL));
    while (task_stats().tasks_live > 1)
        REQUIRE_OK(aio_task_yield());
    AIO_CHECK_EQ(counters[0], 1000);
    AIO_CHECK_EQ(counters[1], 100000);
    AIO_CHECK(task_stats().switches - switches >= 100000);
}

static int yield_pending(void *unused)
{
    (void)unused;
    aio_task_cancel(aio_task_current());
    uint64_t switches = task_stats().switches;
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    AIO_CHECK_EQ(task_stats().switches, switches);
    return 0;
}

/* With a cancellation or a deadline pending it returns at once, without giving way. */
BEHAVIOUR(yield_with_something_pending)
{
    struct aio_task *task = task_named("canceled", yield_pending, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_TIMEOUT(0)
    {
        uint64_t switches = task_stats().switches;
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
        AIO_CHECK_EQ(task_stats().switches, switches);
    }
    AIO_CHECK_OK(aio_task_yield());
}

static int give_handle(void *arg)
{
    *(struct aio_task **)arg = aio_task_current();
    return aio_task_yield();
}

/* A task's own handle is the one its spawner got. */
BEHAVIOUR(current_is_the_handle)
{
    struct aio_task *seen = NULL, *task, *self = aio_task_current();
    AIO_CHECK(self != NULL);
    REQUIRE_OK(aio_task_spawn(&task, give_handle, &seen, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(seen == task);
    AIO_CHECK_OK(aio_task_join(task, NULL));

    AIO_CHECK(aio_task_current() == self);
}

static int look_at_self(void *arg)
{
    *(bool *)arg = aio_task_current() != NULL;
    return 0;
}

/* Outside tasks there is no current one, before and after a runtime. */
BEHAVIOUR_OUTSIDE(current_outside)
{
    bool inside = false;
    AIO_CHECK(aio_task_current() == NULL);
    AIO_CHECK_OK(test_run(look_at_self, &inside));
    AIO_CHECK(inside);
    AIO_CHECK(aio_task_current() == NULL);
}

/* A task without a name is called "task"; a name is copied, and its first 23 bytes count. */
BEHAVIOUR(names)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_task *unnamed, *named, *longer;
    char name[] = "alpha";
    REQUIRE_OK(aio_task_spawn(&unnamed, task_sleep_forever, NULL, &options));
    options.name = name;
    REQUIRE_OK(aio_task_spawn(&named, task_sleep_forever, NULL, &options));
    options.name = "0123456789abcdefghijklmnopqrstuvwxyz";
    REQUIRE_OK(aio_task_spawn(&longer, task_sleep_forever, NULL, &options));
    memset(name, 'z', sizeof name - 1);
    AIO_CHECK_STR(aio_task_name(unnamed), "task");
    AIO_CHECK_STR(aio_task_name(named), "alpha");
    AIO_CHECK_STR(aio_task_name(longer), "0123456789abcdefghijklm");
    AIO_CHECK_ERROR(task_stop(unnamed), -ECANCELED);
    AIO_CHECK_ERROR(task_stop(named), -ECANCELED);
    AIO_CHECK_ERROR(task_stop(longer), -ECANCELED);
}

static int rename_self(void *unused)
{
    (void)unused;
    AIO_CHECK_STR(aio_task_name(aio_task_current()), "first");
    aio_task_rename("second");
    AIO_CHECK_STR(aio_task_name(aio_task_current()), "second");
    return 0;
}

/* A task renames itself; the name is there as long as the handle, also when it has returned. */
BEHAVIOUR(renaming)
{
    struct aio_task *task = task_named("first", rename_self, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_STR(aio_task_name(task), "first");
    REQUIRE_OK(aio_task_yield());
    AIO_CHECK_STR(aio_task_name(task), "second");
    AIO_CHECK_OK(aio_task_join(task, NULL));
    aio_task_rename("0123456789abcdefghijklmnopqrstuvwxyz");
    AIO_CHECK_STR(aio_task_name(aio_task_current()), "0123456789abcdefghijklm");
}
