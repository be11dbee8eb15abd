/*
 * The rwlock: many readers or one writer, in the order they came.
 */
#define SUITE "sync_rwlock"
#include "tests/behaviour/sync_support.h"

static int rwlock_take_read(void *rwlock)
{
    return aio_rwlock_read(rwlock);
}

static int rwlock_take_write(void *rwlock)
{
    return aio_rwlock_write(rwlock);
}

static void rwlock_give(void *rwlock)
{
    aio_rwlock_unlock(rwlock);
}

/* Users read or write; a writer keeps them out. */
static void with_rwlock(void (*scenario)(const struct sync_lock *lock))
{
    struct aio_rwlock rwlock = AIO_RWLOCK_INIT;
    struct sync_lock lock = {&rwlock,           rwlock_take_read, rwlock_give,
                             rwlock_take_write, rwlock_give,      1000};
    scenario(&lock);
    lock.take = rwlock_take_write;
    lock.limit = 1;
    scenario(&lock);
    aio_rwlock_destroy(&rwlock);
}

BEHAVIOUR(handed_over_in_order)
{
    with_rwlock(sync_check_fifo);
}

BEHAVIOUR(canceled_waiters_leave_the_queue)
{
    with_rwlock(sync_check_cancel);
}

BEHAVIOUR(deadlines_bound_the_wait)
{
    with_rwlock(sync_check_deadline);
}

BEHAVIOUR(granted_then_canceled_keeps_it)
{
    with_rwlock(sync_check_granted);
}

BEHAVIOUR(what_is_pending_comes_first)
{
    with_rwlock(sync_check_sticky);
}

BEHAVIOUR(uncontended_makes_no_switch)
{
    with_rwlock(sync_check_quick);
}

BEHAVIOUR(hammered)
{
    with_rwlock(sync_check_hammer);
}

/* What happened, as text: "r" or "w" when one gets in. */
struct story {
    struct aio_rwlock rwlock;
    char text[32];
    int length;
    int readers;
    int writers;
};

static int tell(struct story *story, char letter)
{
    story->text[story->length++] = letter;
    int rc = aio_task_yield();
    aio_rwlock_unlock(&story->rwlock);
    return rc;
}

static int read_once(void *arg)
{
    struct story *story = arg;
    int rc = aio_rwlock_read(&story->rwlock);
    return rc < 0 ? rc : tell(story, 'r');
}

static int write_once(void *arg)
{
    struct story *story = arg;
    int rc = aio_rwlock_write(&story->rwlock);
    return rc < 0 ? rc : tell(story, 'w');
}

static void story_start(struct story *story, const char *cast, struct aio_task **tasks)
{
    *story = (struct story){.rwlock = AIO_RWLOCK_INIT};
    REQUIRE_OK(aio_rwlock_read(&story->rwlock));
    for (int i = 0; cast[i] != '\0'; i++)
        tasks[i] = task_named(cast[i] == 'r' ? "reader" : "writer",
                              cast[i] == 'r' ? read_once : write_once, story);
    sync_settle();
}

/* While a reader reads, a writer comes and then more readers: the writer goes first, then all
 * readers together. */
BEHAVIOUR(a_waiting_writer_holds_back_later_readers)
{
    struct story story;
    struct aio_task *tasks[4];
    story_start(&story, "wrrw", tasks);
    AIO_CHECK_STR(story.text, "");
    AIO_CHECK_ERROR(aio_rwlock_try_read(&story.rwlock), -EAGAIN);
    aio_rwlock_unlock(&story.rwlock);
    sync_finish(tasks, 4, 0);
    AIO_CHECK_STR(story.text, "wrrw");
    aio_rwlock_destroy(&story.rwlock);
}

/* The writer gives up: the readers it held back read at once, beside the one that is reading. */
BEHAVIOUR(a_canceled_writer_lets_the_readers_in)
{
    struct story story;
    struct aio_task *tasks[4];
    story_start(&story, "wrrw", tasks);
    AIO_CHECK_ERROR(task_stop(tasks[0]), -ECANCELED);
    AIO_CHECK_STR(story.text, "rr");
    AIO_CHECK_ERROR(aio_rwlock_try_write(&story.rwlock), -EAGAIN);
    aio_rwlock_unlock(&story.rwlock);
    sync_finish(tasks + 1, 3, 0);
    AIO_CHECK_STR(story.text, "rrw");
    aio_rwlock_destroy(&story.rwlock);
}

BEHAVIOUR(try_takes_what_goes_together)
{
    static struct aio_rwlock rwlock = AIO_RWLOCK_INIT;
    REQUIRE_OK(aio_rwlock_try_read(&rwlock));
    AIO_CHECK_OK(aio_rwlock_try_read(&rwlock));
    AIO_CHECK_ERROR(aio_rwlock_try_write(&rwlock), -EAGAIN);
    aio_rwlock_unlock(&rwlock);
    aio_rwlock_unlock(&rwlock);
    AIO_CHECK_OK(aio_rwlock_try_write(&rwlock));
    AIO_CHECK_ERROR(aio_rwlock_try_read(&rwlock), -EAGAIN);
    aio_rwlock_unlock(&rwlock);
    aio_rwlock_destroy(&rwlock);
}

static int mix(void *arg)
{
    struct story *story = arg;
    uint64_t choice = test_random();
    bool write = choice % 3 == 0;
    int rc = 0;
    AIO_TIMEOUT(choice % 5 == 0 ? AIO_US(20) : AIO_FOREVER)
    {
        rc = write ? aio_rwlock_write(&story->rwlock) : aio_rwlock_read(&story->rwlock);
    }
    if (rc < 0)
        return 0;
    *(write ? &story->writers : &story->readers) += 1;
    AIO_CHECK(story->writers == 0 || (story->writers == 1 && story->readers == 0));
    (void)aio_task_yield();
    *(write ? &story->writers : &story->readers) -= 1;
    aio_rwlock_unlock(&story->rwlock);
    return 0;
}

/* Readers and writers at random, some of them cancelled: a writer is always alone. */
BEHAVIOUR(readers_and_writers_hammered)
{
    enum { CROWD = 12 };
    struct story story = {.rwlock = AIO_RWLOCK_INIT};
    for (int round = 0; round < 150; round++) {
        struct aio_task *tasks[CROWD];
        for (int i = 0; i < CROWD; i++)
            tasks[i] = task_named("mixed", mix, &story);
        for (int i = 0; i < 4; i++) {
            aio_task_cancel(tasks[test_random() % CROWD]);
            sync_settle();
        }
        sync_finish(tasks, CROWD, 0);
    }
    REQUIRE_OK(aio_rwlock_try_write(&story.rwlock));
    aio_rwlock_unlock(&story.rwlock);
    aio_rwlock_destroy(&story.rwlock);
}
