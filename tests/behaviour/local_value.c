/*
 * Task-locals: each task has its own values, and what happens to them when it ends.
 */
#define SUITE "local"
#include "tests/behaviour/task_tools.h"

#include <aio/local.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static struct aio_local_key plain = AIO_LOCAL_KEY_INIT(NULL);

static int set_and_compare(void *value)
{
    AIO_CHECK(aio_local_get(&plain) == NULL);
    AIO_CHECK_OK(aio_local_set(&plain, value));
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK(aio_local_get(&plain) == value);
    }
    return 0;
}

/* A fresh task has none, whatever its stack was before; tasks do not see each other's. */
BEHAVIOUR(values_of_their_own)
{
    enum { COUNT = 10 };
    struct aio_task *tasks[COUNT];
    int values[COUNT];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++)
            REQUIRE_OK(aio_task_spawn(&tasks[i], set_and_compare, &values[i], NULL));
        for (int i = 0; i < COUNT; i++)
            AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    }
    AIO_CHECK(aio_local_get(&plain) == NULL);
}

/* A value can be changed and taken away. */
BEHAVIOUR(changing)
{
    int one, two;
    AIO_CHECK_OK(aio_local_set(&plain, &one));
    AIO_CHECK_OK(aio_local_set(&plain, &two));
    AIO_CHECK(aio_local_get(&plain) == &two);
    AIO_CHECK_OK(aio_local_set(&plain, NULL));
    AIO_CHECK(aio_local_get(&plain) == NULL);
}

struct record {
    int destroyed;
    bool joined;
    int waits; /* what waiting in the destructor returned */
};

static void note(void *value)
{
    struct record *record = value;
    record->destroyed++;
    AIO_CHECK(!record->joined);
}

static struct aio_local_key noted = AIO_LOCAL_KEY_INIT(note);

static int set_noted(void *record)
{
    return aio_local_set(&noted, record);
}

/* The destructor runs when the task has returned, once, before its joiner wakes. */
BEHAVIOUR(destroyed_before_the_join)
{
    struct record record = {.destroyed = 0};
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, set_noted, &record, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    record.joined = true;
    AIO_CHECK_EQ(record.destroyed, 1);
}

static bool was_destroyed(void *record)
{
    return ((struct record *)record)->destroyed == 1;
}

/* So do those of a detached task. */
BEHAVIOUR(destroyed_without_a_join)
{
    struct record record = {.destroyed = 0};
    REQUIRE_OK(aio_task_spawn(NULL, set_noted, &record, NULL));
    AIO_CHECK(test_wait(was_destroyed, &record));
}

static int change_noted(void *arg)
{
    struct record *records = arg;
    AIO_CHECK_OK(aio_local_set(&noted, &records[0]));
    AIO_CHECK_OK(aio_local_set(&noted, &records[1]));
    AIO_CHECK_OK(aio_local_set(&noted, NULL));
    AIO_CHECK_OK(aio_local_set(&plain, &records[2])); /* whose key has no destructor */
    return 0;
}

/* Values that were replaced or taken away are the program's again. */
BEHAVIOUR(not_destroyed)
{
    struct record records[3] = {{.destroyed = 0}};
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, change_noted, records, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(records[i].destroyed, 0);
}

static void wait_and_note(void *value)
{
    struct record *record = value;
    record->waits = aio_time_sleep(AIO_US(100));
    note(record);
}

static struct aio_local_key waiting = AIO_LOCAL_KEY_INIT(wait_and_note);

static int set_waiting(void *record)
{
    AIO_CHECK_OK(aio_local_set(&waiting, record));
    return aio_time_sleep(AIO_FOREVER);
}

/* A destructor may wait, also in a task that was cancelled. */
BEHAVIOUR(destructors_may_wait)
{
    struct record record = {.waits = 1};
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, set_waiting, &record, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_EQ(record.destroyed, 1);
    AIO_CHECK_OK(record.waits);
}

static int set_at_the_end(void *record)
{
    return set_noted(record) < 0 || aio_local_set(&waiting, (struct record *)record + 1) < 0;
}

/* The first task's are destroyed when the entry has returned; they may wait too. */
BEHAVIOUR_OUTSIDE(of_the_first_task)
{
    struct record records[2] = {{.waits = 1}, {.waits = 1}};
    AIO_CHECK_EQ(test_run(set_at_the_end, records), 0);
    AIO_CHECK_EQ(records[0].destroyed, 1);
    AIO_CHECK_EQ(records[1].destroyed, 1);
    AIO_CHECK_OK(records[1].waits);
}

static void set_again(void *value);

static struct aio_local_key again = AIO_LOCAL_KEY_INIT(set_again);

static void set_again(void *value)
{
    ++*(int *)value;
    AIO_CHECK(aio_local_get(&again) == NULL);
    AIO_CHECK_OK(aio_local_set(&again, value));
}

static int set_stubborn(void *count)
{
    return aio_local_set(&again, count);
}

/* A destructor that sets its value again is called again, but not for ever. */
BEHAVIOUR(stubborn_destructor)
{
    int count = 0;
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, set_stubborn, &count, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(count, AIO_LOCAL_ROUNDS_MAX);
}

static int get_outside(void *unused)
{
    (void)unused;
    return aio_local_get(&plain) != NULL;
}

/* Outside a task there are none to be had. */
BEHAVIOUR_OUTSIDE(misuse)
{
    struct child child;
    REQUIRE(child_run(&child, get_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_local_get was called outside a task");
}
