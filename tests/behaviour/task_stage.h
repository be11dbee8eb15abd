/*
 * Every kind of wait a task can be in, on a stage where each of them lasts for ever. Tests of
 * cancellation, deadlines and the end of a runtime are made from the list, one per kind.
 */
#ifndef AIO_TESTS_BEHAVIOUR_TASK_STAGE_H
#define AIO_TESTS_BEHAVIOUR_TASK_STAGE_H

#include "tests/behaviour/task_tools.h"

/* X(kind). "turn": another task is inside, and this one waits behind it. */
#define STAGE_WAITS(X)                                                                             \
    X(sleep)                                                                                       \
    X(join)                                                                                        \
    X(read)                                                                                        \
    X(read_exact)                                                                                  \
    X(readv)                                                                                       \
    X(write)                                                                                       \
    X(write_all)                                                                                   \
    X(writev)                                                                                      \
    X(accept)                                                                                      \
    X(connect)                                                                                     \
    X(read_turn)                                                                                   \
    X(write_turn)                                                                                  \
    X(accept_turn)                                                                                 \
    X(shutdown_turn)

struct stage {
    struct wire idle;              /* nothing is sent on it */
    struct wire busy;              /* one task reads near, another writes it, and both are stuck */
    struct aio_listener *listener; /* nobody connects */
    struct aio_listener *taken;    /* one task accepts here */
    struct aio_task *endless;
    struct aio_task *holders[3];
    int silent[3]; /* a listener with a full backlog, and what fills it */
    char silent_text[AIO_ADDRESS_TEXT_BYTES];
};

bool stage_open(struct stage *stage);
void stage_close(struct stage *stage);

/* Closes what is no handle of the runtime; for stages whose runtime has ended. */
void stage_close_silent(struct stage *stage);

/* Each waits in its way until it is interrupted, and returns why. */
#define STAGE_DECLARE(kind) int stage_wait_##kind(struct stage *stage);
STAGE_WAITS(STAGE_DECLARE)
#undef STAGE_DECLARE

/* A task that waits in one of these ways. */
struct stage_waiter {
    struct stage *stage;
    int (*wait)(struct stage *stage);
    int first;          /* what the wait returned */
    int again;          /* what the same call returned after that */
    uint64_t ops_again; /* operations submitted during it */
    uint64_t ops_first; /* and during the first call, other tasks' included if it suspended */
};

/* A task's function. arg: a struct stage_waiter. Returns the first result. */
int stage_waiter_run(void *arg);

#endif
