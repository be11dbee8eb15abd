/*
 * Races for tokens: branches that take an item from a channel or acquire a permit, one against the
 * other or against the clock, while tokens come in and the time for all of it may run out. A branch
 * that got one says so, whether it won or not; tokens in are tokens out.
 *
 * For the suite in a small form, and as a storm.
 */
#ifndef AIO_TESTS_BEHAVIOUR_RACE_TOKENS_H
#define AIO_TESTS_BEHAVIOUR_RACE_TOKENS_H

#include "tests/harness/harness.h"

#include <aio/channel.h>
#include <aio/scope.h>
#include <aio/shared.h>
#include <aio/sync.h>
#include <errno.h>

enum token_place { IN_CHANNEL, IN_SHARED, IN_SEMAPHORE, TOKEN_PLACES };

struct tokens {
    struct aio_channel *channel;
    struct aio_shared_channel *shared;
    struct aio_semaphore semaphore;
    uint64_t in, out;
    uint64_t won; /* races */
};

/* What a branch, or who brings it its token, works on. */
struct token_end {
    struct tokens *tokens;
    enum token_place place;
};

static bool tokens_open(struct tokens *tokens, size_t capacity)
{
    *tokens = (struct tokens){.semaphore = AIO_SEMAPHORE_INIT(0)};
    return AIO_CHECK_OK(aio_channel_open(&tokens->channel, sizeof(int), capacity)) &&
           AIO_CHECK_OK(aio_shared_open(&tokens->shared, sizeof(int), capacity));
}

static int token_take(void *arg)
{
    const struct token_end *end = arg;
    int item;
    if (end->place == IN_CHANNEL)
        return aio_channel_receive(end->tokens->channel, &item);
    if (end->place == IN_SHARED)
        return aio_shared_receive(end->tokens->shared, &item);
    return aio_semaphore_acquire(&end->tokens->semaphore, 1);
}

static int token_put(void *arg)
{
    const struct token_end *end = arg;
    int item = 1, rc = 0;
    for (uint64_t yields = test_random() % 4; yields > 0 && rc == 0; yields--)
        rc = aio_task_yield();
    if (rc < 0)
        return rc;
    if (end->place == IN_CHANNEL)
        rc = aio_channel_send(end->tokens->channel, &item);
    else if (end->place == IN_SHARED)
        rc = aio_shared_send(end->tokens->shared, &item);
    else
        aio_semaphore_release(&end->tokens->semaphore, 1);
    end->tokens->in += rc == 0;
    return rc;
}

/* Some rounds long, or some time. */
static int token_nap(void *unused)
{
    (void)unused;
    int rc = 0;
    for (uint64_t yields = test_random() % 8; yields > 0 && rc == 0; yields--)
        rc = aio_task_yield();
    return rc == 0 && test_random() % 2 == 0 ? aio_time_sleep((int64_t)(test_random() % 5000)) : rc;
}

/* Far too little for a race, too little, or about enough: which it is depends on the machine. */
static int64_t impatience(void)
{
    static const int64_t times[] = {AIO_US(2), AIO_US(100), AIO_MS(1)};
    return times[test_random() % 3];
}

/* So many takers, one or two; a single one races against the clock. */
static void tokens_race(struct tokens *tokens, int takers)
{
    struct token_end ends[2];
    struct aio_branch branches[2] = {{.fn = token_nap}, {.fn = token_nap}};
    struct aio_scope scope;
    int winner = -1;
    bool patient = test_random() % 4 == 0; /* a token comes then, and it is waited for */
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < takers; i++) {
        ends[i] = (struct token_end){tokens, (enum token_place)(test_random() % TOKEN_PLACES)};
        branches[i] = (struct aio_branch){.fn = token_take, .arg = &ends[i]};
        bool few = tokens->in - tokens->out < 3;
        if ((i == 0 && patient) || (few && test_random() % 8 != 0))
            AIO_CHECK_OK(aio_scope_spawn(&scope, token_put, &ends[i]));
    }
    AIO_TIMEOUT(patient ? AIO_SEC(10) * test_slowness() : impatience())
    {
        winner = aio_scope_race(branches, 2, 0);
    }
    AIO_CHECK(winner >= 0 || winner == -ETIMEDOUT);
    aio_scope_cancel(&scope);
    int rc = aio_scope_join(&scope);
    AIO_CHECK(rc == 0 || rc == -ECANCELED);
    if (winner >= 0)
        tokens->won++;
    for (int i = 0; i < takers; i++)
        tokens->out += branches[i].result >= 0;
}

/* What was not taken is still there. */
static void tokens_close(struct tokens *tokens)
{
    int item;
    while (aio_channel_tryreceive(tokens->channel, &item) == 1)
        tokens->out++;
    while (aio_shared_tryreceive(tokens->shared, &item) == 1)
        tokens->out++;
    tokens->out += aio_semaphore_available(&tokens->semaphore);
    AIO_CHECK(tokens->won > 0 && tokens->in > 0);
    AIO_CHECK_EQ(tokens->out, tokens->in);
    aio_channel_free(tokens->channel);
    aio_shared_release(tokens->shared);
    aio_semaphore_destroy(&tokens->semaphore);
}

#endif
