/*
 * Storms of channels and selects: races that are cut short at any moment, with items in = items
 * out.
 */
#define SUITE "soak_channels"
#include "tests/soak/soak.h"

#include <aio/select.h>
#include <errno.h>

/* What a taker takes from, who sends to it, and the count of both. */
struct race {
    struct aio_channel *channels[2];
    uint64_t sent;
    uint64_t taken;
    bool sleeping;
};

static bool race_open(struct race *race, bool sleeping)
{
    *race = (struct race){.sleeping = sleeping};
    return AIO_CHECK_OK(aio_channel_open(&race->channels[0], sizeof(uint64_t), 0)) &&
           AIO_CHECK_OK(aio_channel_open(&race->channels[1], sizeof(uint64_t), 2));
}

/* Sends until it is cancelled; what it could not send it has kept. */
static int send_numbers(void *arg)
{
    struct race *race = arg;
    for (;;) {
        struct aio_channel *channel = race->channels[test_random() % 2];
        int rc = aio_channel_send(channel, &race->sent);
        if (rc < 0)
            return rc;
        race->sent++;
        if (test_random() % 4 == 0 && aio_task_yield() < 0)
            return -ECANCELED;
    }
}

/* race(take, take) or race(take, sleep), with a deadline that comes at about the same time. */
static int race_once(struct race *race)
{
    uint64_t item;
    int which = -1;
    struct aio_select_case cases[] = {
        aio_select_receive(race->channels[test_random() % 2], &item),
        race->sleeping ? aio_select_after((int64_t)(test_random() % 3000))
                       : aio_select_receive(race->channels[test_random() % 2], &item)};
    AIO_TIMEOUT(test_random() % 4 == 0 ? AIO_US(2) : AIO_FOREVER)
    {
        which = aio_select_wait(cases, 2);
    }
    race->taken += which == 0 || (which == 1 && !race->sleeping);
    return which == -ETIMEDOUT ? 0 : which;
}

static int race_until_canceled(void *arg)
{
    int rc = 0;
    while (rc >= 0)
        rc = race_once(arg);
    return rc;
}

static int stop(struct aio_task *task)
{
    int result = 0;
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, &result));
    return result;
}

/* Takes what is left in the channels. */
static void race_drain(struct race *race)
{
    uint64_t item;
    for (int i = 0; i < 2; i++) {
        while (aio_channel_tryreceive(race->channels[i], &item) == 1)
            race->taken++;
        aio_channel_free(race->channels[i]);
    }
}

/* Of two senders and two takers one is cancelled and started anew each round. */
static void race_many(const char *what, bool sleeping)
{
    static int (*const fns[])(void *arg) = {send_numbers, race_until_canceled};
    struct race race;
    struct aio_task *tasks[4];
    REQUIRE(race_open(&race, sleeping));
    for (int i = 0; i < 4; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], fns[i % 2], &race, NULL));
    struct storm storm = storm_begin(what, 1000000);
    while (storm_goes_on(&storm)) {
        unsigned at = (unsigned)(test_random() % 4);
        REQUIRE(stop(tasks[at]) == -ECANCELED);
        REQUIRE_OK(aio_task_spawn(&tasks[at], fns[at % 2], &race, NULL));
        for (unsigned turns = (unsigned)(test_random() % 3); turns > 0; turns--)
            REQUIRE_OK(aio_task_yield());
    }
    for (int i = 0; i < 4; i++)
        AIO_CHECK_ERROR(stop(tasks[i]), -ECANCELED);
    race_drain(&race);
    AIO_CHECK(race.sent > 0);
    AIO_CHECK_EQ(race.taken, race.sent);
    storm_check_end();
}

BEHAVIOUR(race_take_take)
{
    race_many("race(take, take)", false);
}

BEHAVIOUR(race_take_sleep)
{
    race_many("race(take, sleep)", true);
}
