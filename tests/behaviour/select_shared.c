/*
 * Select over channels between cores, as one task sees it: one effect, in order, interrupted,
 * closed, beside cases of all other kinds.
 */
#define SUITE "select_shared"
#include "tests/behaviour/shared_tools.h"

#include <aio/select.h>

BEHAVIOUR(what_is_ready_happens_at_once)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), 1);
    int in = 5, out = 0;
    REQUIRE(channel != NULL);
    struct aio_select_case put[] = {aio_select_put(channel, &in)};
    struct aio_select_case take[] = {aio_select_take(channel, &out)};
    AIO_CHECK_ERROR(aio_select_try(take, 1), -EAGAIN);
    AIO_CHECK(aio_select_wait(put, 1) == 0 && put[0].result == 0);
    AIO_CHECK_ERROR(aio_select_try(put, 1), -EAGAIN);
    AIO_CHECK(aio_select_wait(take, 1) == 0 && take[0].result == 1 && out == 5);
    AIO_CHECK_OK(aio_shared_send(channel, &in));
    aio_shared_close(channel);
    AIO_CHECK(aio_select_try(put, 1) == 0 && put[0].result == -EPIPE);
    AIO_CHECK(aio_select_try(take, 1) == 0 && take[0].result == 1);
    AIO_CHECK(aio_select_wait(take, 1) == 0 && take[0].result == 0);
    aio_shared_release(channel);
}

struct choice {
    struct aio_shared_channel *one;
    struct aio_shared_channel *two;
    int which, result, item;
};

static bool choice_open(struct choice *choice, size_t capacity)
{
    *choice = (struct choice){shared_of(sizeof(int), capacity), shared_of(sizeof(int), capacity),
                              -1, -1, -1};
    return choice->one != NULL && choice->two != NULL;
}

static void choice_close(struct choice *choice)
{
    AIO_CHECK_ERROR(aio_shared_tryreceive(choice->one, &choice->item), -EAGAIN);
    AIO_CHECK_ERROR(aio_shared_tryreceive(choice->two, &choice->item), -EAGAIN);
    aio_shared_release(choice->one);
    aio_shared_release(choice->two);
}

static int choice_wait(struct choice *choice, struct aio_select_case *cases, size_t count)
{
    choice->which = aio_select_wait(cases, count);
    choice->result = choice->which >= 0 ? cases[choice->which].result : 0;
    return choice->which;
}

static int choose_take(void *arg)
{
    struct choice *choice = arg;
    struct aio_select_case cases[] = {aio_select_take(choice->one, &choice->item),
                                      aio_select_take(choice->two, &choice->item)};
    return choice_wait(choice, cases, 2);
}

static int choose_put(void *arg)
{
    struct choice *choice = arg;
    int item = 7;
    struct aio_select_case cases[] = {aio_select_put(choice->one, &item),
                                      aio_select_put(choice->two, &item)};
    return choice_wait(choice, cases, 2);
}

/* A select that waits takes one item and leaves the other to its sender. */
BEHAVIOUR(one_effect_only)
{
    struct choice choice;
    int item = 10;
    REQUIRE(choice_open(&choice, 0));
    struct aio_task *task = task_named("chooser", choose_take, &choice);
    REQUIRE(task != NULL && task_wait_parked("chooser"));
    AIO_CHECK_OK(aio_shared_trysend(choice.two, &item));
    AIO_CHECK_ERROR(aio_shared_trysend(choice.one, &item), -EAGAIN);
    AIO_CHECK_ERROR(aio_shared_trysend(choice.two, &item), -EAGAIN);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(choice.which == 1 && choice.result == 1 && choice.item == 10);
    choice_close(&choice);
}

/* And one that waits to send sends on one channel. */
BEHAVIOUR(one_item_only)
{
    struct choice choice;
    int item = 0;
    REQUIRE(choice_open(&choice, 0));
    struct aio_task *task = task_named("chooser", choose_put, &choice);
    REQUIRE(task != NULL && task_wait_parked("chooser"));
    AIO_CHECK_EQ(aio_shared_tryreceive(choice.one, &item), 1);
    AIO_CHECK_EQ(item, 7);
    AIO_CHECK_ERROR(aio_shared_tryreceive(choice.two, &item), -EAGAIN);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(choice.which == 0 && choice.result == 0);
    choice_close(&choice);
}

BEHAVIOUR(closed_while_selected)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct choice choice;
        int item = 1;
        REQUIRE(choice_open(&choice, capacity));
        struct aio_task *task = task_named("chooser", choose_take, &choice);
        REQUIRE(task != NULL && task_wait_parked("chooser"));
        aio_shared_close(choice.two);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK(choice.which == 1 && choice.result == 0 && choice.item == -1);
        for (size_t i = 0; i < capacity; i++)
            AIO_CHECK_OK(aio_shared_trysend(choice.one, &item));
        choice.item = -1;
        struct aio_select_case cases[] = {aio_select_put(choice.one, &item),
                                          aio_select_put(choice.two, &item)};
        AIO_CHECK_EQ(choice_wait(&choice, cases, 2), 1);
        AIO_CHECK_ERROR(choice.result, -EPIPE);
        aio_shared_release(choice.one);
        aio_shared_release(choice.two);
    }
}

static int put_or_take(void *arg)
{
    struct choice *choice = arg;
    int mine = 1;
    struct aio_select_case cases[] = {
        aio_select_put(choice->one, &mine), aio_select_take(choice->one, &choice->item),
        aio_select_put(choice->one, &mine), aio_select_take(choice->one, &choice->item)};
    return choice_wait(choice, cases, 4);
}

/* Both ends of one rendezvous: a select does not meet itself, two selects meet, and so does one
 * with whoever waits for one end alone. */
BEHAVIOUR(both_ends_of_one_channel)
{
    struct choice one, two;
    int item = 3;
    REQUIRE(choice_open(&one, 0));
    two = one;
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(put_or_take(&one), -ETIMEDOUT);
    }
    struct aio_task *first = task_named("first", put_or_take, &one);
    struct aio_task *second = task_named("second", put_or_take, &two);
    AIO_CHECK_OK(aio_task_join(first, NULL));
    AIO_CHECK_OK(aio_task_join(second, NULL));
    AIO_CHECK(one.which >= 0 && two.which >= 0 && one.which % 2 + two.which % 2 == 1);
    AIO_CHECK_EQ(one.which % 2 == 1 ? one.item : two.item, 1);
    first = task_named("third", put_or_take, &one);
    REQUIRE(first != NULL && task_wait_parked("third"));
    AIO_CHECK_OK(aio_shared_send(one.one, &item));
    AIO_CHECK_OK(aio_task_join(first, NULL));
    AIO_CHECK(one.which % 2 == 1 && one.item == 3);
    choice_close(&one);
}

/* Selects wait in the same queue as others do, first in, first out. */
BEHAVIOUR(in_the_order_they_came)
{
    struct choice choices[3];
    struct aio_task *tasks[3];
    static const char *const names[] = {"one", "two", "three"};
    REQUIRE(choice_open(&choices[0], 2));
    for (int i = 0; i < 3; i++) {
        choices[i] = choices[0];
        tasks[i] = task_named(names[i], choose_take, &choices[i]);
        REQUIRE(tasks[i] != NULL && task_wait_parked(names[i]));
    }
    AIO_CHECK_ERROR(task_stop(tasks[1]), -ECANCELED);
    for (int i = 0; i < 3; i += 2) {
        AIO_CHECK_OK(aio_shared_trysend(i == 0 ? choices[0].one : choices[0].two, &i));
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        AIO_CHECK(choices[i].which == i / 2 && choices[i].item == i);
    }
    choice_close(&choices[0]);
}

/* An item and a cancellation in the same moment, in either order. */
BEHAVIOUR(canceled_in_the_same_moment)
{
    for (int order = 0; order < 2; order++) {
        struct choice choice;
        int item = 10;
        REQUIRE(choice_open(&choice, 0));
        struct aio_task *task = task_named("chooser", choose_take, &choice);
        REQUIRE(task != NULL && task_wait_parked("chooser"));
        if (order == 1)
            aio_task_cancel(task);
        AIO_CHECK_ERROR(aio_shared_trysend(choice.one, &item), order == 0 ? 0 : -EAGAIN);
        AIO_CHECK_EQ(task_stop(task), order == 0 ? 0 : -ECANCELED);
        AIO_CHECK_EQ(choice.item, order == 0 ? 10 : -1);
        choice_close(&choice);
    }
}

static int late_choice(void *arg)
{
    int rc = -1;
    AIO_TIMEOUT(AIO_MS(1))
    {
        rc = choose_put(arg);
        AIO_CHECK_ERROR(choose_take(arg), -ETIMEDOUT);
    }
    return rc;
}

BEHAVIOUR(out_of_time)
{
    struct choice choice;
    REQUIRE(choice_open(&choice, 0));
    AIO_CHECK_ERROR(late_choice(&choice), -ETIMEDOUT);
    AIO_CHECK_EQ(choice.item, -1);
    choice_close(&choice);
}

/* Of two that are always ready both are chosen, about equally often. */
BEHAVIOUR(fair)
{
    enum { TIMES = 2000 };
    struct choice choice;
    int chosen[2] = {0}, item = 1, got;
    REQUIRE(choice_open(&choice, 1));
    struct aio_shared_channel *channels[] = {choice.one, choice.two};
    struct aio_select_case cases[] = {aio_select_take(choice.one, &got),
                                      aio_select_take(choice.two, &got)};
    for (int i = 0; i < 2; i++)
        AIO_CHECK_OK(aio_shared_trysend(channels[i], &item));
    for (int i = 0; i < TIMES; i++) {
        int which = aio_select_wait(cases, 2);
        REQUIRE(which >= 0 && cases[which].result == 1);
        chosen[which]++;
        AIO_CHECK_OK(aio_shared_trysend(channels[which], &item));
    }
    for (int i = 0; i < 2; i++) {
        AIO_CHECK(chosen[i] > TIMES / 4);
        AIO_CHECK_EQ(aio_shared_tryreceive(channels[i], &got), 1);
    }
    choice_close(&choice);
}

/* Everything a select can wait for, at once; what happens is decided by the test. */
struct medley {
    struct choice shared;
    struct aio_channel *channel;
    struct aio_oneshot oneshot;
    struct wire wire;
    struct aio_task *sleeper;
    int which;
};

enum { SHARED_TAKE, ONE_CORE, ONESHOT, READABLE, JOINED, TIME, SHARED_PUT, MEDLEY };

static int medley_wait(void *arg)
{
    struct medley *medley = arg;
    int item = 4;
    struct aio_select_case cases[MEDLEY] = {
        [SHARED_TAKE] = aio_select_take(medley->shared.one, &item),
        [ONE_CORE] = aio_select_receive(medley->channel, &item),
        [ONESHOT] = aio_select_oneshot(&medley->oneshot),
        [READABLE] = aio_select_readable(medley->wire.far),
        [JOINED] = aio_select_join(medley->sleeper, NULL),
        [TIME] = aio_select_after(medley->which == TIME ? AIO_US(200) : AIO_SEC(60)),
        [SHARED_PUT] = aio_select_put(medley->shared.two, &item),
    };
    return aio_select_wait(cases, MEDLEY);
}

static void *thread_send(void *channel)
{
    int item = 9;
    AIO_CHECK_OK(aio_shared_send(channel, &item));
    return NULL;
}

static void *thread_receive(void *channel)
{
    int item = 0;
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 1);
    AIO_CHECK_EQ(item, 4);
    return NULL;
}

static void medley_provoke(struct medley *medley, pthread_t *thread)
{
    int item = 9;
    if (medley->which == SHARED_TAKE)
        AIO_CHECK_OK(pthread_create(thread, NULL, thread_send, medley->shared.one));
    if (medley->which == SHARED_PUT)
        AIO_CHECK_OK(pthread_create(thread, NULL, thread_receive, medley->shared.two));
    if (medley->which == ONE_CORE)
        AIO_CHECK_OK(aio_channel_send(medley->channel, &item));
    if (medley->which == ONESHOT)
        AIO_CHECK_OK(aio_oneshot_send(&medley->oneshot, NULL));
    if (medley->which == READABLE)
        AIO_CHECK_EQ(aio_stream_write(medley->wire.near, "x", 1), 1);
    if (medley->which == JOINED)
        aio_task_cancel(medley->sleeper);
}

static void medley_check(int which)
{
    struct medley medley = {.oneshot = AIO_ONESHOT_SIGNAL, .which = which};
    pthread_t thread;
    int result = -1;
    REQUIRE(choice_open(&medley.shared, 0) && wire_open(&medley.wire));
    REQUIRE_OK(aio_channel_open(&medley.channel, sizeof(int), 0));
    medley.sleeper = task_named("sleeper", task_sleep_forever, NULL);
    struct aio_task *task = task_named("chooser", medley_wait, &medley);
    REQUIRE(task != NULL && (which == TIME || task_wait_parked("chooser")));
    medley_provoke(&medley, &thread);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, which);
    if (which == SHARED_TAKE || which == SHARED_PUT)
        pthread_join(thread, NULL);
    if (which != JOINED)
        AIO_CHECK_ERROR(task_stop(medley.sleeper), -ECANCELED);
    aio_channel_free(medley.channel);
    wire_close(&medley.wire);
    choice_close(&medley.shared);
}

BEHAVIOUR(beside_all_other_cases)
{
    for (int which = 0; which < MEDLEY; which++)
        medley_check(which);
}

static int choose_in_child(void *channel)
{
    int item = 1;
    struct aio_select_case put[] = {aio_select_put(channel, &item)};
    struct aio_select_case take[] = {aio_select_take(channel, &item)};
    bool refused = aio_select_wait(put, 1) == 0 && put[0].result == -ESHUTDOWN &&
                   aio_select_try(take, 1) == 0 && take[0].result == -ESHUTDOWN;
    return refused ? 3 : 4;
}

/* In a child of fork a case is over at once, with that result. */
BEHAVIOUR_OUTSIDE(refused_in_a_forked_child)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), 1);
    struct child child;
    REQUIRE(channel != NULL && child_run_task(&child, choose_in_child, channel));
    AIO_CHECK(child_exited(&child, 3));
    aio_shared_release(channel);
}
