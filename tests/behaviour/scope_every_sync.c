/*
 * Cancellation and deadlines at every wait of locks, channels and selects, in which another task
 * stands in the way or brings what is waited for. Nothing is held or waited for afterwards, and
 * items in are items out.
 */
#define SUITE "scope_every_sync"
#include "tests/behaviour/every_wait.h"

#include <aio/select.h>
#include <aio/sync.h>

/* Outlives the scenario's children. */
static struct objects {
    struct aio_mutex mutex;
    struct aio_rwlock rwlock;
    struct aio_semaphore semaphore;
    struct aio_condition condition;
    struct aio_notify notify;
    struct aio_barrier barrier;
    struct aio_once once;
    struct aio_waitgroup group;
    struct aio_oneshot oneshots[2];
    struct aio_channel *channel;
    struct aio_shared_channel *shared;
    struct aio_broadcast *news;
    struct aio_subscriber *subscriber;
    struct aio_stream *ends[2];
    int sent, received, heard;
} objects;

/* The other task does nothing until the wait is cancelled, or out of time. */
static bool never;

/* Before a stage of one wait: whether that is to be cut short while it waits. */
static void choose_pace(const struct scenario *scenario)
{
    never = (scenario->moment == WHEN_PARKED || scenario->moment == OUT_OF_TIME) &&
            scenario->waits + 1 == scenario->chosen;
}

static bool objects_open(void)
{
    objects = (struct objects){.mutex = AIO_MUTEX_INIT,
                               .rwlock = AIO_RWLOCK_INIT,
                               .semaphore = AIO_SEMAPHORE_INIT(2),
                               .condition = AIO_CONDITION_INIT,
                               .notify = AIO_NOTIFY_INIT,
                               .barrier = AIO_BARRIER_INIT(2),
                               .once = AIO_ONCE_INIT,
                               .group = AIO_WAITGROUP_INIT,
                               .oneshots = {AIO_ONESHOT_SIGNAL, AIO_ONESHOT_SIGNAL}};
    return AIO_CHECK_OK(aio_unix_pair(objects.ends)) &&
           AIO_CHECK_OK(aio_channel_open(&objects.channel, sizeof(int), 0)) &&
           AIO_CHECK_OK(aio_shared_open(&objects.shared, sizeof(int), 0)) &&
           AIO_CHECK_OK(aio_broadcast_open(&objects.news, sizeof(int), 1)) &&
           AIO_CHECK_OK(aio_broadcast_subscribe(&objects.subscriber, objects.news));
}

/* Destroying aborts where somebody holds or waits. */
static void objects_close(struct scenario *unused)
{
    (void)unused;
    AIO_CHECK_EQ(objects.received, objects.sent);
    aio_mutex_destroy(&objects.mutex);
    aio_rwlock_destroy(&objects.rwlock);
    AIO_CHECK_EQ(aio_semaphore_available(&objects.semaphore), 2);
    aio_semaphore_destroy(&objects.semaphore);
    aio_condition_destroy(&objects.condition);
    aio_notify_destroy(&objects.notify);
    aio_barrier_destroy(&objects.barrier);
    aio_once_destroy(&objects.once);
    aio_waitgroup_destroy(&objects.group);
    aio_channel_free(objects.channel);
    aio_shared_release(objects.shared);
    aio_subscriber_free(objects.subscriber);
    aio_broadcast_free(objects.news);
    aio_stream_close(objects.ends[0]);
    aio_stream_close(objects.ends[1]);
}

static int linger(void *unused)
{
    (void)unused;
    if (never)
        return aio_time_sleep(AIO_FOREVER);
    int rc = aio_task_yield();
    return rc < 0 ? rc : aio_task_yield();
}

/* Something that one task has while another one waits for it. */
struct holding {
    int (*hold)(void);
    int (*want)(void);
    void (*give)(void);
};

static int lock_mutex(void)
{
    return aio_mutex_lock(&objects.mutex);
}

static void unlock_mutex(void)
{
    aio_mutex_unlock(&objects.mutex);
}

static int lock_write(void)
{
    return aio_rwlock_write(&objects.rwlock);
}

static int lock_read(void)
{
    return aio_rwlock_read(&objects.rwlock);
}

static void unlock_rwlock(void)
{
    aio_rwlock_unlock(&objects.rwlock);
}

static int acquire_one(void)
{
    return aio_semaphore_acquire(&objects.semaphore, 1);
}

/* Of two, so that this waits, and is then in the way of the next. */
static int acquire_both(void)
{
    int rc = aio_semaphore_acquire(&objects.semaphore, 2);
    if (rc == 0)
        aio_semaphore_release(&objects.semaphore, 1);
    return rc;
}

static void release_one(void)
{
    aio_semaphore_release(&objects.semaphore, 1);
}

static int run_once(void)
{
    return aio_once_run(&objects.once, linger, NULL);
}

static void keep_once(void)
{
}

static const struct holding holdings[] = {
    {lock_mutex, lock_mutex, unlock_mutex}, {lock_write, lock_read, unlock_rwlock},
    {lock_read, lock_write, unlock_rwlock}, {acquire_one, acquire_both, release_one},
    {run_once, run_once, keep_once},
};

static int hold(void *arg)
{
    const struct holding *holding = arg;
    int rc = holding->hold();
    if (rc < 0)
        return rc;
    (void)linger(NULL); /* cancelled or not, what is under way is ended */
    holding->give();
    return 0;
}

static int stage_holding(struct scenario *scenario, struct aio_scope *scope,
                         const struct holding *holding)
{
    choose_pace(scenario);
    int rc = aio_scope_spawn(scope, hold, (void *)(uintptr_t)holding);
    if (rc == 0)
        rc = aio_task_yield();
    if (rc < 0)
        return rc;
    waiting(scenario, scope);
    rc = holding->want();
    if (rc == 0)
        holding->give();
    return rc;
}

/* Something that one task waits for and another one brings. */
struct bringing {
    int (*wait)(void);
    int (*bring)(void);
};

static int wait_condition(void)
{
    int rc = aio_mutex_lock(&objects.mutex);
    if (rc < 0)
        return rc;
    rc = aio_condition_wait(&objects.condition, &objects.mutex);
    aio_mutex_unlock(&objects.mutex);
    return rc;
}

static int bring_condition(void)
{
    aio_condition_signal(&objects.condition);
    return 0;
}

static int wait_notify(void)
{
    return aio_notify_wait(&objects.notify);
}

static int bring_notify(void)
{
    aio_notify_one(&objects.notify);
    return 0;
}

static int wait_barrier(void)
{
    return aio_barrier_wait(&objects.barrier);
}

static int wait_group(void)
{
    return aio_waitgroup_wait(&objects.group);
}

static int bring_group(void)
{
    aio_waitgroup_done(&objects.group);
    return 0;
}

static int wait_oneshot(void)
{
    return aio_oneshot_receive(&objects.oneshots[0]);
}

static int bring_oneshot(void)
{
    return aio_oneshot_send(&objects.oneshots[0], NULL);
}

static int wait_news(void)
{
    int item;
    return aio_subscriber_receive(objects.subscriber, &item);
}

static int bring_news(void)
{
    return aio_broadcast_send(objects.news, &objects.sent);
}

static int send_item(void)
{
    int rc = aio_channel_send(objects.channel, &objects.sent);
    objects.sent += rc == 0;
    return rc;
}

static int receive_item(void)
{
    int item, rc = aio_channel_receive(objects.channel, &item);
    objects.received += rc == 1;
    return rc;
}

static int shared_send(void)
{
    int rc = aio_shared_send(objects.shared, &objects.sent);
    objects.sent += rc == 0;
    return rc;
}

static int shared_receive(void)
{
    int item, rc = aio_shared_receive(objects.shared, &item);
    objects.received += rc == 1;
    return rc;
}

static int choose(struct aio_select_case one, int *count)
{
    struct aio_select_case cases[] = {one, aio_select_after(AIO_SEC(60))};
    int rc = aio_select_wait(cases, 2);
    AIO_CHECK(rc <= 0);
    *count += rc == 0;
    return rc;
}

static int choose_send(void)
{
    return choose(aio_select_send(objects.channel, &objects.sent), &objects.sent);
}

static int choose_receive(void)
{
    int item;
    return choose(aio_select_receive(objects.channel, &item), &objects.received);
}

static int choose_put(void)
{
    return choose(aio_select_put(objects.shared, &objects.sent), &objects.sent);
}

static int choose_take(void)
{
    int item;
    return choose(aio_select_take(objects.shared, &item), &objects.received);
}

static int choose_oneshot(void)
{
    return choose(aio_select_oneshot(&objects.oneshots[1]), &objects.heard);
}

static int bring_chosen_oneshot(void)
{
    return aio_oneshot_send(&objects.oneshots[1], NULL);
}

static int choose_news(void)
{
    int item;
    return choose(aio_select_subscriber(objects.subscriber, &item), &objects.heard);
}

static int choose_readable(void)
{
    return choose(aio_select_readable(objects.ends[0]), &objects.heard);
}

static int bring_byte(void)
{
    ssize_t n = aio_stream_write(objects.ends[1], "x", 1);
    return n < 0 ? (int)n : 0;
}

static int wait_task(void)
{
    struct aio_task *task = task_named("lingering", linger, NULL);
    int rc = aio_task_join(task, NULL);
    if (rc < 0)
        (void)task_stop(task);
    return rc;
}

static int choose_task(void)
{
    struct aio_task *task = task_named("lingering", linger, NULL);
    int rc = choose(aio_select_join(task, NULL), &objects.heard);
    if (rc < 0)
        (void)task_stop(task);
    return rc;
}

static int bring_nothing(void)
{
    return 0;
}

static const struct bringing bringings[] = {
    {wait_condition, bring_condition}, {wait_notify, bring_notify},
    {wait_barrier, wait_barrier},      {wait_group, bring_group},
    {wait_oneshot, bring_oneshot},     {wait_news, bring_news},
    {wait_task, bring_nothing},        {send_item, receive_item},
    {receive_item, send_item},         {choose_send, receive_item},
    {choose_receive, send_item},       {choose_oneshot, bring_chosen_oneshot},
    {choose_news, bring_news},         {choose_readable, bring_byte},
    {choose_task, bring_nothing},      {shared_send, shared_receive},
    {shared_receive, shared_send},     {choose_put, shared_receive},
    {choose_take, shared_send},        {choose_put, choose_take},
};

static int bring(void *arg)
{
    const struct bringing *bringing = arg;
    (void)linger(NULL); /* cancelled or not, what is under way is ended */
    return bringing->bring();
}

static int stage_bringing(struct scenario *scenario, struct aio_scope *scope,
                          const struct bringing *bringing)
{
    choose_pace(scenario);
    if (bringing->wait == wait_group)
        aio_waitgroup_add(&objects.group, 1);
    int rc = aio_scope_spawn(scope, bring, (void *)(uintptr_t)bringing);
    if (rc < 0)
        return rc;
    waiting(scenario, scope);
    return bringing->wait();
}

enum {
    HOLDINGS = sizeof holdings / sizeof holdings[0],
    BRINGINGS = sizeof bringings / sizeof bringings[0],
};

static int play_all(struct scenario *scenario, struct aio_scope *scope)
{
    int rc = objects_open() ? 0 : -EIO;
    for (int i = 0; i < HOLDINGS && rc >= 0; i++)
        rc = stage_holding(scenario, scope, &holdings[i]);
    for (int i = 0; i < BRINGINGS && rc >= 0; i++)
        rc = stage_bringing(scenario, scope, &bringings[i]);
    return rc;
}

static void play(enum moment moment)
{
    bool lasting = moment == BEFORE_IT || moment == WHEN_PARKED || moment == OUT_OF_TIME;
    every_wait_play(
        (struct scenario){
            .play = play_all, .end = objects_close, .moment = moment, .lasting = lasting},
        HOLDINGS + BRINGINGS);
}

EVERY_WAIT_TESTS(play)
