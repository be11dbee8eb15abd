/*
 * Races and gathers: who wins, that losers are awaited, and that nothing they took is lost.
 */
#define SUITE "scope_race"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>
#include <errno.h>

/* A branch that yields some times and then returns; told to be stubborn, also when cancelled. */
struct runner {
    int yields;
    int result;
    bool stubborn;
    int undone; /* the result that was taken back */
};

static int run(void *arg)
{
    const struct runner *runner = arg;
    for (int i = 0; i < runner->yields; i++) {
        int rc = aio_task_yield();
        if (rc < 0 && !runner->stubborn)
            return rc;
    }
    return runner->result;
}

static void take_back(void *arg, int result)
{
    struct runner *runner = arg;
    runner->undone = result;
    AIO_CHECK_OK(aio_task_yield()); /* may wait, whatever is pending */
}

enum { RUNNERS = 3 };

static void enter(struct aio_branch *branches, struct runner *runners)
{
    for (int i = 0; i < RUNNERS; i++)
        branches[i] = (struct aio_branch){.fn = run, .arg = &runners[i], .undo = take_back};
}

/* The first success wins, failures before it notwithstanding; the others are cancelled. */
BEHAVIOUR(first_success_wins)
{
    struct runner runners[RUNNERS] = {
        {.yields = 1000000}, {.yields = 5, .result = 42}, {.result = -EIO}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    AIO_CHECK_EQ(aio_scope_race(branches, RUNNERS, 0), 1);
    AIO_CHECK_ERROR(branches[0].result, -ECANCELED);
    AIO_CHECK_EQ(branches[1].result, 42);
    AIO_CHECK_ERROR(branches[2].result, -EIO);
    for (int i = 0; i < RUNNERS; i++)
        AIO_CHECK(!branches[i].undone);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* By option the first to end wins, with whatever it brings. */
BEHAVIOUR(first_end_wins)
{
    struct runner runners[RUNNERS] = {
        {.yields = 1000000}, {.yields = 5, .result = 42}, {.result = -EIO}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    AIO_CHECK_EQ(aio_scope_race(branches, RUNNERS, AIO_RACE_FIRST_END), 2);
    AIO_CHECK_ERROR(branches[1].result, -ECANCELED);
    AIO_CHECK_ERROR(branches[2].result, -EIO);
}

/* Without a winner, the first error in time. */
BEHAVIOUR(all_fail)
{
    struct runner runners[RUNNERS] = {{9, -EIO, 0, 0}, {5, -EPIPE, 0, 0}, {7, -EPROTO, 0, 0}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    AIO_CHECK_ERROR(aio_scope_race(branches, RUNNERS, 0), -EPIPE);
    AIO_CHECK_ERROR(branches[0].result, -EIO);
    AIO_CHECK_ERROR(branches[1].result, -EPIPE);
    AIO_CHECK_ERROR(branches[2].result, -EPROTO);
}

/* A loser that succeeds all the same shows it, and has it taken back if it can be. */
BEHAVIOUR(losers_that_succeed)
{
    struct runner runners[RUNNERS] = {{20, 7, true, -1}, {2, 42, false, -1}, {30, 8, true, -1}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    branches[2].undo = NULL;
    AIO_CHECK_EQ(aio_scope_race(branches, RUNNERS, 0), 1);
    AIO_CHECK_EQ(branches[0].result, 7);
    AIO_CHECK(branches[0].undone);
    AIO_CHECK_EQ(runners[0].undone, 7);
    AIO_CHECK(!branches[1].undone);
    AIO_CHECK_EQ(runners[1].undone, -1);
    AIO_CHECK_EQ(branches[2].result, 8);
    AIO_CHECK(!branches[2].undone);
}

BEHAVIOUR(bad_arguments)
{
    struct aio_branch branch = {.fn = run, .arg = &(struct runner){.result = 4}};
    AIO_CHECK_ERROR(aio_scope_race(&branch, 0, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_scope_race(&branch, 1, 0x10), -EINVAL);
    AIO_CHECK_ERROR(aio_scope_race(&branch, SIZE_MAX, 0), -EINVAL);
    AIO_CHECK_EQ(aio_scope_race(&branch, 1, 0), 0);
    AIO_CHECK_EQ(branch.result, 4);
    AIO_CHECK_OK(aio_scope_gather(NULL, 0));
}

/* Branches that cannot be started have failed; the others run. */
BEHAVIOUR_WITH(race_beyond_the_limit, .task_limit = 3)
{
    struct runner runners[RUNNERS] = {{.yields = 9, .result = 3}, {.yields = 4, .result = -EIO}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    AIO_CHECK_EQ(aio_scope_race(branches, RUNNERS, 0), 0);
    AIO_CHECK_ERROR(branches[1].result, -EIO);
    AIO_CHECK_ERROR(branches[2].result, -EAGAIN);
    AIO_CHECK_ERROR(aio_scope_gather(branches, RUNNERS), -EAGAIN);
    AIO_CHECK_EQ(branches[0].result, 3);
}

/* A caller to be cancelled at some moment, and what its race came to. */
struct caller {
    struct runner runners[RUNNERS];
    struct aio_branch branches[RUNNERS];
    int result;
    bool gather;
};

static int call(void *arg)
{
    struct caller *caller = arg;
    enter(caller->branches, caller->runners);
    caller->result = caller->gather ? aio_scope_gather(caller->branches, RUNNERS)
                                    : aio_scope_race(caller->branches, RUNNERS, 0);
    return aio_task_yield();
}

static void call_and_cancel(struct caller *caller, int yields)
{
    caller->result = 99;
    struct aio_task *task = task_named("caller", call, caller);
    REQUIRE(task != NULL);
    for (int i = 0; i < yields; i++)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* A cancelled caller starts nothing, ends what runs, and keeps what has succeeded. */
BEHAVIOUR(caller_is_cancelled)
{
    for (int yields = 0; yields < 12; yields++) {
        struct caller caller = {
            .runners = {{.yields = 1000000}, {.yields = 8, .result = 6}, {2, -EIO, 0, 0}}};
        call_and_cancel(&caller, yields);
        AIO_CHECK(caller.result == 1 || caller.result == -ECANCELED || caller.result == -EIO);
        AIO_CHECK_EQ(caller.result == 1, caller.branches[1].result == 6);
        if (caller.result == -EIO)
            AIO_CHECK_ERROR(caller.branches[2].result, -EIO);
        AIO_CHECK_ERROR(caller.branches[0].result, -ECANCELED);
        caller.gather = true;
        call_and_cancel(&caller, yields);
        AIO_CHECK(caller.result == -ECANCELED || caller.result == -EIO);
        AIO_CHECK_ERROR(caller.branches[0].result, -ECANCELED);
    }
}

/* A branch that succeeds in spite of the caller's cancellation has won. */
BEHAVIOUR(success_beats_cancel)
{
    struct caller caller = {.runners = {{.yields = 1000000},
                                        {.yields = 8, .result = 6, .stubborn = true},
                                        {1000000, 0, 0, 0}}};
    call_and_cancel(&caller, 3);
    AIO_CHECK_EQ(caller.result, 1);
    AIO_CHECK_EQ(caller.branches[1].result, 6);
    AIO_CHECK_ERROR(caller.branches[2].result, -ECANCELED);
}

static int check_name(void *name)
{
    AIO_CHECK_STR(aio_task_name(aio_task_current()), name);
    return 0;
}

/* A branch's task has its name. */
BEHAVIOUR(names)
{
    char name[] = "racer", none[] = "task";
    struct aio_branch branches[] = {{.fn = check_name, .arg = name, .name = name},
                                    {.fn = check_name, .arg = none}};
    AIO_CHECK_OK(aio_scope_gather(branches, 2));
}

/* All results, no cancelling among each other. */
BEHAVIOUR(gather_has_all_results)
{
    struct runner runners[RUNNERS] = {{9, 1, 0, 0}, {.yields = 5, .result = 2}, {0, 3, 0, 0}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    AIO_CHECK_OK(aio_scope_gather(branches, RUNNERS));
    for (int i = 0; i < RUNNERS; i++)
        AIO_CHECK_EQ(branches[i].result, i + 1);
    runners[1].result = -EIO;
    runners[2].result = -EPIPE;
    branches[0].undone = true; /* left by a race before */
    AIO_CHECK_ERROR(aio_scope_gather(branches, RUNNERS), -EPIPE);
    AIO_CHECK_EQ(branches[0].result, 1);
    AIO_CHECK_ERROR(branches[1].result, -EIO);
    for (int i = 0; i < RUNNERS; i++)
        AIO_CHECK(!branches[i].undone);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return aio_time_sleep(AIO_FOREVER);
}

/* The caller's deadline is the branches', and is marked. */
BEHAVIOUR(caller_has_a_deadline)
{
    struct aio_branch branches[2] = {{.fn = sleep_long}, {.fn = sleep_long, .name = "second"}};
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, AIO_US(200));
    AIO_CHECK_ERROR(aio_scope_race(branches, 2, 0), -ETIMEDOUT);
    AIO_CHECK_ERROR(branches[0].result, -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK_ERROR(aio_scope_gather(branches, 2), -ETIMEDOUT);
    AIO_CHECK_ERROR(branches[1].result, -ECANCELED); /* nothing was started */
    aio_deadline_clear(&deadline);
}

/* Races are branches of races. */
static int race_inside(void *arg)
{
    struct runner runners[RUNNERS] = {
        {.yields = 50, .result = 1}, {.yields = 1000000}, {1, -EIO, 0, 0}};
    struct aio_branch branches[RUNNERS];
    enter(branches, runners);
    int rc = aio_scope_race(branches, RUNNERS, 0);
    ++*(int *)arg;
    return rc;
}

BEHAVIOUR(races_nest)
{
    int ended = 0;
    struct aio_branch branches[3];
    for (int i = 0; i < 3; i++)
        branches[i] = (struct aio_branch){.fn = race_inside, .arg = &ended};
    int winner = aio_scope_race(branches, 3, 0);
    AIO_CHECK(winner >= 0 && winner < 3);
    AIO_CHECK_EQ(ended, 3);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* Tokens are bytes on a stream; a take is a read of one. */
static int take(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

static int nap(void *arg)
{
    return aio_time_sleep(*(int64_t *)arg);
}

static int put(void *arg)
{
    for (uint64_t yields = test_random() % 4; yields > 0; yields--)
        if (aio_task_yield() < 0)
            break;
    return (int)aio_stream_write(arg, "x", 1);
}

static int won(const struct aio_branch *branch)
{
    return branch->fn == take && branch->result == 1;
}

/* Reads what is left. */
static int drain(struct aio_stream *stream)
{
    int count = 0;
    char byte;
    while (aio_stream_read(stream, &byte, 1) == 1)
        count++;
    return count;
}

/* Races of two takes, or a take and a sleep, while tokens come in. Tokens in are tokens out. */
static void race_for_tokens(bool against_time)
{
    struct wire wires[2];
    bool slow = UNDER_TSAN || test_on_valgrind() || test_row()->faults;
    int in = 0, out = 0, rounds = slow ? 300 : 5000;
    REQUIRE(wire_open(&wires[0]));
    REQUIRE(wire_open(&wires[1]));
    for (int i = 0; i < rounds; i++) {
        int64_t nap_ns = (int64_t)(test_random() % 60000);
        struct aio_branch branches[2] = {{.fn = take, .arg = wires[0].far},
                                         {.fn = take, .arg = wires[1].far}};
        struct aio_scope scope;
        if (against_time)
            branches[1] = (struct aio_branch){.fn = nap, .arg = &nap_ns};
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        for (int j = 0; j < (against_time ? 1 : 2); j++)
            if (in == out || (in < out + 4 && test_random() % 2 == 0)) {
                REQUIRE_OK(aio_scope_spawn(&scope, put, wires[j].near));
                in++;
            }
        int winner = aio_scope_race(branches, 2, 0);
        AIO_CHECK(winner >= 0 && branches[winner].result >= 0);
        out += won(&branches[0]) + won(&branches[1]);
        REQUIRE_OK(aio_scope_join(&scope));
    }
    for (int j = 0; j < 2; j++) {
        REQUIRE_OK(aio_stream_shutdown(wires[j].near, AIO_STREAM_WRITE));
        out += drain(wires[j].far);
        wire_close(&wires[j]);
    }
    AIO_CHECK_EQ(out, in);
}

BEHAVIOUR(take_against_take)
{
    race_for_tokens(false);
}

BEHAVIOUR(take_against_sleep)
{
    race_for_tokens(true);
}
