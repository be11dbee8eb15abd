/*
 * Programmer errors with locks: each aborts with a sentence that names what was misused, who holds
 * it and who called.
 */
#define SUITE "sync_misuse"
#include "tests/behaviour/sync_support.h"

#include <signal.h>

static struct aio_mutex mutex = AIO_MUTEX_INIT;
static struct aio_rwlock rwlock = AIO_RWLOCK_INIT;
static struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(0);
static struct aio_condition condition = AIO_CONDITION_INIT;
static struct aio_notify notify = AIO_NOTIFY_INIT;
static struct aio_barrier barrier = AIO_BARRIER_INIT(2);
static struct aio_once once = AIO_ONCE_INIT;
static struct aio_waitgroup group = AIO_WAITGROUP_INIT;

static int ignored; /* results of calls that are to abort, or are cancelled afterwards */

static int hold_mutex(void *unused)
{
    (void)unused;
    int rc = aio_mutex_lock(&mutex);
    return rc < 0 ? rc : aio_time_sleep(AIO_FOREVER);
}

static int hold_write(void *unused)
{
    (void)unused;
    int rc = aio_rwlock_write(&rwlock);
    return rc < 0 ? rc : aio_time_sleep(AIO_FOREVER);
}

static int hold_read(void *unused)
{
    (void)unused;
    int rc = aio_rwlock_read(&rwlock);
    return rc < 0 ? rc : aio_time_sleep(AIO_FOREVER);
}

/* Runs a task until it waits. */
static void start(const char *name, int (*fn)(void *arg))
{
    struct aio_task *task;
    sync_start(&task, 1, name, fn, NULL);
}

static int unlock_anothers(void *unused)
{
    (void)unused;
    start("owner", hold_mutex);
    aio_task_rename("thief");
    aio_mutex_unlock(&mutex);
    return 0;
}

static int unlock_free(void *unused)
{
    (void)unused;
    aio_task_rename("thief");
    aio_mutex_unlock(&mutex);
    return 0;
}

static int lock_twice(void *unused)
{
    (void)unused;
    aio_task_rename("narcissus");
    ignored = aio_mutex_lock(&mutex);
    ignored = aio_mutex_lock(&mutex);
    return 0;
}

static int destroy_held(void *unused)
{
    (void)unused;
    start("owner", hold_mutex);
    aio_mutex_destroy(&mutex);
    return 0;
}

static int lock_and_return(void *unused)
{
    (void)unused;
    return aio_mutex_lock(&mutex);
}

static int end_holding(void *unused)
{
    (void)unused;
    start("forgetful", lock_and_return);
    return 0;
}

static int lock_in_shield(void *unused)
{
    int rc = 0;
    AIO_SHIELD
    {
        rc = lock_and_return(unused);
    }
    return rc;
}

/* Nobody could end the wait of the other one. */
static int end_holding_what_is_wanted(void *unused)
{
    int rc = lock_and_return(unused);
    start("patient", lock_in_shield);
    return rc;
}

BEHAVIOUR_OUTSIDE(mutex_misuse)
{
    sync_check_aborts(unlock_anothers, "aio_mutex_unlock: task 'thief' does not hold this mutex: "
                                       "task 'owner' does");
    sync_check_aborts(unlock_free,
                      "aio_mutex_unlock: task 'thief' does not hold this mutex: nobody does");
    sync_check_aborts(lock_twice, "aio_mutex_lock: task 'narcissus' holds this mutex already");
    sync_check_aborts(destroy_held, "aio_mutex_destroy: task 'owner' holds this mutex");
    sync_check_aborts(end_holding, "task 'forgetful' ended holding 1 mutex");
    sync_check_aborts(end_holding_what_is_wanted, "task 'main' ended holding 1 mutex");
}

static int end_reading(void *unused)
{
    (void)unused;
    return aio_rwlock_read(&rwlock);
}

static int unlock_anothers_write(void *unused)
{
    (void)unused;
    start("owner", hold_write);
    aio_task_rename("thief");
    aio_rwlock_unlock(&rwlock);
    return 0;
}

static int unlock_anothers_read(void *unused)
{
    (void)unused;
    start("owner", hold_read);
    aio_task_rename("thief");
    aio_rwlock_unlock(&rwlock);
    return 0;
}

static int read_while_writing(void *unused)
{
    (void)unused;
    aio_task_rename("narcissus");
    ignored = aio_rwlock_write(&rwlock);
    ignored = aio_rwlock_read(&rwlock);
    return 0;
}

static int destroy_written(void *unused)
{
    (void)unused;
    start("owner", hold_write);
    aio_rwlock_destroy(&rwlock);
    return 0;
}

static int destroy_read(void *unused)
{
    (void)unused;
    start("owner", hold_read);
    aio_rwlock_destroy(&rwlock);
    return 0;
}

BEHAVIOUR_OUTSIDE(rwlock_misuse)
{
    sync_check_aborts(unlock_anothers_write,
                      "task 'thief' does not hold this rwlock: task 'owner' does");
    sync_check_aborts(unlock_anothers_read,
                      "task 'thief' does not hold this rwlock: 1 others read");
    sync_check_aborts(read_while_writing,
                      "aio_rwlock_read: task 'narcissus' holds this rwlock for writing already");
    sync_check_aborts(destroy_written, "aio_rwlock_destroy: task 'owner' holds this rwlock");
    sync_check_aborts(destroy_read, "aio_rwlock_destroy: 1 tasks hold this rwlock for reading");
    sync_check_aborts(end_reading, "task 'main' ended holding 0 mutex(es) and 1 rwlock");
}

static int wait_semaphore(void *unused)
{
    (void)unused;
    return aio_semaphore_acquire(&semaphore, 1);
}

static int destroy_semaphore(void *unused)
{
    (void)unused;
    start("waiter", wait_semaphore);
    aio_semaphore_destroy(&semaphore);
    return 0;
}

static int wait_condition(void *unused)
{
    (void)unused;
    ignored = aio_mutex_lock(&mutex);
    return aio_condition_wait(&condition, &mutex);
}

static int destroy_condition(void *unused)
{
    (void)unused;
    start("waiter", wait_condition);
    aio_condition_destroy(&condition);
    return 0;
}

static int wait_notify(void *unused)
{
    (void)unused;
    return aio_notify_wait(&notify);
}

static int destroy_notify(void *unused)
{
    (void)unused;
    start("waiter", wait_notify);
    aio_notify_destroy(&notify);
    return 0;
}

static int wait_barrier(void *unused)
{
    (void)unused;
    return aio_barrier_wait(&barrier);
}

static int destroy_barrier(void *unused)
{
    (void)unused;
    start("waiter", wait_barrier);
    aio_barrier_destroy(&barrier);
    return 0;
}

static int run_long(void *unused)
{
    (void)unused;
    return aio_once_run(&once, task_sleep_forever, NULL);
}

static int destroy_once(void *unused)
{
    (void)unused;
    start("runner", run_long);
    aio_once_destroy(&once);
    return 0;
}

static int destroy_unfinished(void *unused)
{
    (void)unused;
    aio_waitgroup_add(&group, 3);
    aio_waitgroup_destroy(&group);
    return 0;
}

static int wait_group(void *unused)
{
    (void)unused;
    return aio_waitgroup_wait(&group);
}

static int destroy_waitgroup(void *unused)
{
    aio_waitgroup_add(&group, 1);
    start("waiter", wait_group);
    return destroy_unfinished(unused);
}

BEHAVIOUR_OUTSIDE(destroyed_while_waited_on)
{
    sync_check_aborts(destroy_semaphore,
                      "aio_semaphore_destroy: task 'waiter' waits on this semaphore");
    sync_check_aborts(destroy_condition,
                      "aio_condition_destroy: task 'waiter' waits on this condition");
    sync_check_aborts(destroy_notify, "aio_notify_destroy: task 'waiter' waits on this notify");
    sync_check_aborts(destroy_barrier, "aio_barrier_destroy: task 'waiter' waits on this barrier");
    sync_check_aborts(destroy_once, "aio_once_destroy: task 'runner' runs this once");
    sync_check_aborts(destroy_unfinished, "aio_waitgroup_destroy: 3 are still to be done");
    sync_check_aborts(destroy_waitgroup,
                      "aio_waitgroup_destroy: task 'waiter' waits on this waitgroup");
}

static int wait_without_mutex(void *unused)
{
    (void)unused;
    aio_task_rename("careless");
    return aio_condition_wait(&condition, &mutex);
}

static int release_too_many(void *unused)
{
    (void)unused;
    aio_semaphore_release(&semaphore, UINT32_MAX);
    aio_semaphore_release(&semaphore, 1);
    return 0;
}

static int pass_no_barrier(void *unused)
{
    (void)unused;
    struct aio_barrier none = AIO_BARRIER_INIT(0);
    return aio_barrier_wait(&none);
}

static int run_inside(void *unused)
{
    (void)unused;
    aio_task_rename("narcissus");
    return aio_once_run(&once, run_inside, NULL);
}

static int done_too_often(void *unused)
{
    (void)unused;
    aio_waitgroup_done(&group);
    return 0;
}

static int add_too_many(void *unused)
{
    (void)unused;
    aio_waitgroup_add(&group, UINT32_MAX);
    aio_waitgroup_add(&group, 1);
    return 0;
}

BEHAVIOUR_OUTSIDE(wrong_arguments_and_order)
{
    sync_check_aborts(wait_without_mutex,
                      "aio_condition_wait: task 'careless' does not hold this mutex");
    sync_check_aborts(release_too_many, "aio_semaphore_release: 4294967295 permits and 1 more");
    sync_check_aborts(pass_no_barrier, "aio_barrier_wait: a barrier of 0 tasks");
    sync_check_aborts(run_inside, "aio_once_run: task 'narcissus' runs this once already");
    sync_check_aborts(done_too_often, "aio_waitgroup_done: nothing is left to be done");
    sync_check_aborts(add_too_many, "aio_waitgroup_add: 4294967295 and 1 more");
}

static int lock_outside(void *unused)
{
    (void)unused;
    return aio_mutex_lock(&mutex);
}

static int unlock_outside(void *unused)
{
    (void)unused;
    aio_mutex_unlock(&mutex);
    return 0;
}

BEHAVIOUR_OUTSIDE(calls_outside_a_task)
{
    struct child child;
    REQUIRE(child_run(&child, lock_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_mutex_lock was called outside a task");
    REQUIRE(child_run(&child, unlock_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_mutex_unlock was called outside a task");
}

/* What one runtime's task does, and then one of another runtime. */
struct foreign {
    int (*hold)(void *arg);
    int (*misuse)(void *arg);
};

static int misuse_here(void *arg)
{
    const struct foreign *foreign = arg;
    return foreign->misuse(NULL);
}

static int offer_foreign(void *arg)
{
    const struct foreign *foreign = arg;
    start("native", foreign->hold);
    child_start_second();
    return aio_time_sleep(AIO_SEC(3600));
}

static void check_foreign(int (*hold)(void *arg), int (*misuse)(void *arg), const char *text)
{
    struct foreign foreign = {.hold = hold, .misuse = misuse};
    struct child child;
    REQUIRE(child_run_two(&child, offer_foreign, misuse_here, &foreign));
    child_killed(&child, SIGABRT);
    child_said(&child, text);
}

/* A lock that another runtime's tasks use is not for these. */
BEHAVIOUR_OUTSIDE(locks_of_another_runtime)
{
    if (!child_may_have_threads())
        return;
    check_foreign(hold_mutex, hold_mutex,
                  "aio_mutex_lock: this mutex belongs to another core or runtime, where task "
                  "'native' holds it");
    check_foreign(hold_write, hold_read, "aio_rwlock_read: this rwlock belongs to another core");
    check_foreign(wait_semaphore, wait_semaphore,
                  "aio_semaphore_acquire: this semaphore belongs to another core or runtime");
    check_foreign(wait_barrier, wait_barrier,
                  "aio_barrier_wait: this barrier belongs to another core or runtime");
    check_foreign(run_long, run_long, "aio_once_run: this once belongs to another core");
}
