/*
 * Select over channels, time and tasks: exactly one case happens, none starves, nothing is lost.
 */
#define SUITE "select_channel"
#include "tests/behaviour/task_tools.h"

#include <aio/select.h>
#include <errno.h>
#include <signal.h>

BEHAVIOUR(bad_counts)
{
    static struct aio_select_case cases[AIO_SELECT_CASES + 1];
    AIO_CHECK_ERROR(aio_select_wait(cases, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_select_try(cases, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_select_wait(cases, AIO_SELECT_CASES + 1), -EINVAL);
    AIO_CHECK_ERROR(aio_select_try(cases, AIO_SELECT_CASES + 1), -EINVAL);
    AIO_CHECK_ERROR(aio_select_try(cases, AIO_SELECT_CASES), -EAGAIN);
    AIO_TIMEOUT(AIO_MS(1)) /* cases of zeroes are never chosen */
    {
        AIO_CHECK_ERROR(aio_select_wait(cases, AIO_SELECT_CASES), -ETIMEDOUT);
    }
    cases[AIO_SELECT_CASES - 1] = aio_select_after(AIO_MS(1));
    AIO_CHECK_EQ(aio_select_wait(cases, AIO_SELECT_CASES), AIO_SELECT_CASES - 1);
}

/* The nearest of several times is chosen, not before it has come. */
BEHAVIOUR(times)
{
    int64_t begin_ns = aio_time_now();
    struct aio_select_case cases[] = {aio_select_after(AIO_SEC(100)), aio_select_after(AIO_MS(3)),
                                      aio_select_until(begin_ns + AIO_SEC(100)),
                                      aio_select_until(AIO_FOREVER)};
    AIO_CHECK_EQ(aio_select_wait(cases, 4), 1);
    AIO_CHECK(aio_time_now() - begin_ns >= AIO_MS(3));
    cases[2] = aio_select_until(aio_time_now() + AIO_MS(2));
    AIO_CHECK_EQ(aio_select_wait(&cases[2], 2), 0);
    cases[2] = aio_select_until(begin_ns);
    AIO_CHECK_EQ(aio_select_try(cases, 4), 2);
    cases[2] = aio_select_after(0);
    AIO_CHECK_EQ(aio_select_wait(cases, 4), 2);
    AIO_CHECK_EQ(aio_select_try(cases, 4), 2);
    AIO_CHECK(task_stats().timers_armed <= 1);
}

/* Of two cases that are always ready both are chosen, about equally often. */
BEHAVIOUR(fair)
{
    enum { ROUNDS = 4000, CASES = 4 };
    struct aio_channel *channels[CASES];
    struct aio_select_case cases[CASES];
    int chosen[CASES] = {0}, item = 1, got;
    for (int i = 0; i < CASES; i++) {
        REQUIRE_OK(aio_channel_open(&channels[i], sizeof item, 1));
        AIO_CHECK_OK(aio_channel_trysend(channels[i], &item));
        cases[i] = aio_select_receive(channels[i], &got);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int which = aio_select_wait(cases, CASES);
        REQUIRE(which >= 0 && cases[which].result == 1);
        chosen[which]++;
        AIO_CHECK_OK(aio_channel_trysend(channels[which], &item));
    }
    for (int i = 0; i < CASES; i++) {
        AIO_CHECK(chosen[i] > ROUNDS / CASES / 2);
        AIO_CHECK_EQ(aio_channel_length(channels[i]), 1);
        aio_channel_free(channels[i]);
    }
}

/* Cases that are ready are no reason to keep the thread. */
BEHAVIOUR(instant_cases_give_way)
{
    struct aio_select_case now[] = {aio_select_after(0)};
    int turns = 0;
    struct aio_task *other = task_named("other", task_count_turns, &turns);
    for (int i = 0; i < 1000; i++)
        AIO_CHECK_EQ(aio_select_wait(now, 1), 0);
    AIO_CHECK(turns >= 10);
    task_stop(other);
}

struct choice {
    struct aio_channel *one;
    struct aio_channel *two;
    int which;
    int result;
    int item;
};

static int choose(void *arg)
{
    struct choice *choice = arg;
    struct aio_select_case cases[] = {aio_select_receive(choice->one, &choice->item),
                                      aio_select_receive(choice->two, &choice->item)};
    choice->which = aio_select_wait(cases, 2);
    choice->result = choice->which >= 0 ? cases[choice->which].result : 0;
    return choice->which;
}

static struct aio_channel *open_channel(size_t capacity)
{
    struct aio_channel *channel = NULL;
    AIO_CHECK_OK(aio_channel_open(&channel, sizeof(int), capacity));
    return channel;
}

/* A select that waits takes one item and leaves the other to its sender. */
BEHAVIOUR(one_effect_only)
{
    struct choice choice = {open_channel(0), open_channel(0), -1, -1, -1};
    int item = 10;
    struct aio_task *task = task_named("chooser", choose, &choice);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_channel_trysend(choice.two, &item));
    AIO_CHECK_ERROR(aio_channel_trysend(choice.one, &item), -EAGAIN);
    AIO_CHECK_ERROR(aio_channel_trysend(choice.two, &item), -EAGAIN);
    aio_channel_free(choice.one); /* its select is decided: nobody waits on it */
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(choice.which == 1 && choice.result == 1 && choice.item == 10);
    aio_channel_free(choice.two);
}

/* A closed channel is a case that is ready. */
BEHAVIOUR(closed_while_selected)
{
    struct choice choice = {open_channel(0), open_channel(3), -1, -1, -1};
    struct aio_task *task = task_named("chooser", choose, &choice);
    AIO_CHECK_OK(aio_task_yield());
    aio_channel_close(choice.one);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(choice.which == 0 && choice.result == 0);
    struct aio_select_case send[] = {aio_select_send(choice.one, &choice.item)};
    AIO_CHECK_EQ(aio_select_wait(send, 1), 0);
    AIO_CHECK_ERROR(send[0].result, -EPIPE);
    aio_channel_free(choice.one);
    aio_channel_free(choice.two);
}

static int send_or_receive(void *arg)
{
    struct choice *choice = arg;
    int mine = 1;
    struct aio_select_case cases[] = {aio_select_send(choice->one, &mine),
                                      aio_select_receive(choice->one, &choice->item)};
    return choice->which = aio_select_wait(cases, 2);
}

/* Sending and receiving on one rendezvous: a select does not meet itself, two selects meet. */
BEHAVIOUR(both_ends_of_one_channel)
{
    struct choice one = {open_channel(0), NULL, -1, -1, -1};
    struct choice two = {one.one, NULL, -1, -1, -1};
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(send_or_receive(&one), -ETIMEDOUT);
    }
    struct aio_task *first = task_named("first", send_or_receive, &one);
    struct aio_task *second = task_named("second", send_or_receive, &two);
    AIO_CHECK_OK(aio_task_join(first, NULL));
    AIO_CHECK_OK(aio_task_join(second, NULL));
    AIO_CHECK(one.which >= 0 && one.which + two.which == 1);
    AIO_CHECK_EQ(one.which == 1 ? one.item : two.item, 1);
    AIO_CHECK_ERROR(aio_channel_tryreceive(one.one, &one.item), -EAGAIN);
    aio_channel_free(one.one);
}

/* An item and a cancellation in the same moment, in either order. */
BEHAVIOUR(canceled_in_the_same_moment)
{
    for (int order = 0; order < 2; order++) {
        struct choice choice = {open_channel(0), open_channel(0), -1, -1, -1};
        int item = 10;
        struct aio_task *task = task_named("chooser", choose, &choice);
        AIO_CHECK_OK(aio_task_yield());
        if (order == 1)
            aio_task_cancel(task);
        AIO_CHECK_ERROR(aio_channel_trysend(choice.one, &item), order == 0 ? 0 : -EAGAIN);
        AIO_CHECK_EQ(task_stop(task), order == 0 ? 0 : -ECANCELED);
        AIO_CHECK_EQ(choice.item, order == 0 ? 10 : -1);
        aio_channel_free(choice.one);
        aio_channel_free(choice.two);
    }
}

static int return_three(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_US(100)) == 0 ? 3 : -1;
}

/* The join case joins; when it is not chosen, the handle is as before. */
BEHAVIOUR(joining)
{
    int result = 0;
    struct aio_task *sleeper = task_named("sleeper", task_sleep_forever, NULL);
    struct aio_task *task = task_named("three", return_three, NULL);
    struct aio_select_case cases[] = {aio_select_join(sleeper, NULL),
                                      aio_select_join(task, &result)};
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 1);
    AIO_CHECK(cases[1].result == 0 && result == 3);
    cases[1] = aio_select_after(AIO_US(100));
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 1);
    aio_task_cancel(sleeper);
    AIO_CHECK_OK(aio_task_yield());
    cases[0] = aio_select_join(sleeper, &result);
    AIO_CHECK_EQ(aio_select_try(cases, 1), 0);
    AIO_CHECK_ERROR(result, -ECANCELED);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

struct race {
    struct aio_channel *left;
    struct aio_channel *right;
};

static int send_both(void *arg)
{
    struct race *race = arg;
    struct aio_channel *channel = test_random() % 2 == 0 ? race->left : race->right;
    int item = 1;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = aio_channel_send(channel, &item);
        channel = channel == race->left ? race->right : race->left;
    }
    return rc;
}

/* One round of race(take, take) or race(take, sleep), cut short or not; then what is left is taken:
 * items in are items out. */
static void race_round(struct race *race, bool sleeping)
{
    int item = 0, rest;
    struct aio_task *sender = task_named("sender", send_both, race);
    struct aio_select_case cases[] = {aio_select_receive(race->left, &item),
                                      sleeping ? aio_select_after((int64_t)(test_random() % 3000))
                                               : aio_select_receive(race->right, &item)};
    int which = -1;
    AIO_TIMEOUT(test_random() % 4 == 0 ? AIO_US(2) : AIO_FOREVER)
    {
        which = aio_select_wait(cases, 2);
    }
    bool took = which == 0 || (which == 1 && !sleeping);
    AIO_CHECK(which >= 0 || which == -ETIMEDOUT);
    AIO_CHECK(!took || item == 1);
    for (rest = took ? 1 : 0; rest < 2; rest++) {
        struct aio_select_case all[] = {aio_select_receive(race->left, &item),
                                        aio_select_receive(race->right, &item)};
        AIO_CHECK(aio_select_wait(all, 2) >= 0);
    }
    AIO_CHECK_OK(aio_task_join(sender, NULL));
    AIO_CHECK_ERROR(aio_channel_tryreceive(race->left, &item), -EAGAIN);
    AIO_CHECK_ERROR(aio_channel_tryreceive(race->right, &item), -EAGAIN);
}

static void race_many(bool sleeping)
{
    struct race race = {open_channel(0), open_channel(1)};
    int rounds = UNDER_TSAN || UNDER_ASAN ? 2000 : 10000;
    for (int i = 0; i < rounds; i++)
        race_round(&race, sleeping);
    aio_channel_free(race.left);
    aio_channel_free(race.right);
}

BEHAVIOUR(race_take_take)
{
    race_many(false);
}

BEHAVIOUR(race_take_sleep)
{
    race_many(true);
}

static int join_in_select(void *unused)
{
    (void)unused;
    struct aio_select_case cases[] = {aio_select_join(aio_task_current(), NULL)};
    return aio_select_wait(cases, 1);
}

/* Joining oneself aborts here too. */
BEHAVIOUR_OUTSIDE(joining_oneself)
{
    struct child child;
    REQUIRE(child_run_task(&child, join_in_select, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_select_join: task 'main' joins itself");
}

static int join_one_task_twice(void *unused)
{
    struct aio_task *task = task_named("popular", task_sleep_forever, unused);
    struct aio_select_case cases[] = {aio_select_join(task, NULL), aio_select_join(task, NULL)};
    return aio_select_wait(cases, 2);
}

/* And joining one task in two cases. */
BEHAVIOUR_OUTSIDE(joining_twice)
{
    struct child child;
    REQUIRE(child_run_task(&child, join_one_task_twice, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_select_join: task 'popular' is being joined already");
}

struct beside {
    struct aio_oneshot oneshot;
    struct aio_channel *channel;
    int which;
};

static int select_beside(void *arg)
{
    struct beside *beside = arg;
    int item;
    struct aio_select_case cases[] = {aio_select_oneshot(&beside->oneshot),
                                      aio_select_receive(beside->channel, &item)};
    beside->which = aio_select_wait(cases, 2);
    return aio_oneshot_send(&beside->oneshot, NULL);
}

/* A select that is decided waits for nothing more, even before its task has run: the oneshot is
 * free for another receiver. */
BEHAVIOUR(oneshot_of_a_decided_select)
{
    struct beside beside = {.oneshot = AIO_ONESHOT_SIGNAL};
    int item = 1;
    REQUIRE_OK(aio_channel_open(&beside.channel, sizeof item, 0));
    struct aio_task *task = task_named("selecting", select_beside, &beside);
    AIO_CHECK(task_wait_parked("selecting"));
    AIO_CHECK_OK(aio_channel_send(beside.channel, &item)); /* decides it */
    AIO_CHECK_EQ(aio_oneshot_receive(&beside.oneshot), 1);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(beside.which, 1);
    aio_channel_free(beside.channel);
}
