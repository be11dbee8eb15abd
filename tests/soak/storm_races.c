/*
 * Storms of races: tokens that come in while several takers, or a taker and the clock, race for
 * them. Tokens in are tokens out.
 */
#define SUITE "soak_races"
#include "tests/behaviour/race_tokens.h"
#include "tests/soak/soak.h"

#include <aio/scope.h>
#include <errno.h>

/* Tokens are bytes on a stream; a take is a read of one. */
static int take(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

static int nap(void *arg)
{
    return aio_time_sleep((int64_t)(intptr_t)arg);
}

static int put(void *arg)
{
    for (uint64_t yields = test_random() % 4; yields > 0; yields--)
        if (aio_task_yield() < 0)
            break;
    return aio_stream_write(arg, "x", 1) == 1 ? 0 : -EIO;
}

/* What was put in and not taken by the end. */
static uint64_t drain(struct wire *wire)
{
    uint64_t left = 0;
    char byte;
    AIO_CHECK_OK(aio_stream_shutdown(wire->near, AIO_STREAM_WRITE));
    while (aio_stream_read(wire->far, &byte, 1) == 1)
        left++;
    return left;
}

struct tally {
    uint64_t in, out, wins[2], both;
};

/* Whether another token may come: at least one is there, and few are left by losers. */
static bool wants_token(const struct tally *tally)
{
    uint64_t there = tally->in - tally->out;
    return there == 0 || (there < 4 && test_random() % 2 == 0);
}

/* A round: some tokens, and a race for them. */
static bool race_once(struct wire *wires, int takers, struct tally *tally)
{
    struct aio_branch branches[2];
    struct aio_scope scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < takers; i++) {
        branches[i] = (struct aio_branch){.fn = take, .arg = wires[i].far};
        if (!wants_token(tally))
            continue;
        AIO_CHECK_OK(aio_scope_spawn(&scope, put, wires[i].near));
        tally->in++;
    }
    if (takers == 1)
        branches[1] =
            (struct aio_branch){.fn = nap, .arg = (void *)(intptr_t)(test_random() % 20000)};
    int winner = aio_scope_race(branches, 2, 0);
    if (!AIO_CHECK(winner >= 0) || !AIO_CHECK_OK(aio_scope_join(&scope)))
        return false;
    tally->wins[winner]++;
    for (int i = 0; i < takers; i++)
        tally->out += branches[i].result == 1;
    tally->both += branches[0].result >= 0 && branches[1].result >= 0;
    return true;
}

static void race_often(const char *what, int takers)
{
    struct wire wires[2];
    struct tally tally = {0};
    REQUIRE(wire_open(&wires[0]));
    REQUIRE(wire_open(&wires[1]));
    struct storm storm = storm_begin(what, 1000000);
    while (storm_goes_on(&storm))
        REQUIRE(race_once(wires, takers, &tally));
    for (int i = 0; i < 2; i++) {
        tally.out += drain(&wires[i]);
        wire_close(&wires[i]);
    }
    AIO_CHECK_EQ(tally.out, tally.in);
    AIO_CHECK(tally.wins[0] > 0);
    AIO_CHECK(tally.wins[1] > 0);
    AIO_CHECK(tally.both > 0);
    storm_check_end();
}

BEHAVIOUR(take_against_take)
{
    race_often("take against take", 2);
}

BEHAVIOUR(take_against_sleep)
{
    race_often("take against sleep", 1);
}

/* Items of channels and permits of semaphores. */
static void race_for_tokens(const char *what, int takers)
{
    struct tokens tokens;
    REQUIRE(tokens_open(&tokens, 1));
    struct storm storm = storm_begin(what, 1000000);
    while (storm_goes_on(&storm))
        tokens_race(&tokens, takers);
    tokens_close(&tokens);
    storm_check_end();
}

BEHAVIOUR(tokens_against_tokens)
{
    race_for_tokens("a token against a token", 2);
}

BEHAVIOUR(tokens_against_sleep)
{
    race_for_tokens("a token against sleep", 1);
}

static int wait_often(void *arg)
{
    int rc = 0;
    for (uint64_t i = test_random(); rc == 0; i++)
        rc = i % 3 != 0 ? aio_task_yield() : aio_time_sleep(1);
    ++*(int *)arg;
    return rc;
}

/* Deadlines of 2 us, wherever they strike. */
BEHAVIOUR(deadlines_of_2_us)
{
    struct storm storm = storm_begin("scopes with a deadline of 2 us", 1000000);
    while (storm_goes_on(&storm)) {
        struct aio_deadline deadline;
        struct aio_scope scope;
        int ended = 0;
        aio_deadline_set(&deadline, AIO_US(2));
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        for (int i = 0; i < 3; i++)
            REQUIRE_OK(aio_scope_spawn(&scope, wait_often, &ended));
        REQUIRE(aio_scope_join(&scope) == -ETIMEDOUT);
        REQUIRE(aio_deadline_expired(&deadline));
        REQUIRE(ended == 3);
        aio_deadline_clear(&deadline);
    }
    storm_check_end();
}
