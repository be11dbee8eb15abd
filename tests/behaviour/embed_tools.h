/*
 * What the tests of runtimes in somebody else's loop share: a plain loop over epoll(7).
 */
#ifndef AIO_TESTS_BEHAVIOUR_EMBED_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_EMBED_TOOLS_H

#ifndef SUITE
#define SUITE "embed"
#endif
#include "tests/behaviour/cores_tools.h"

enum { EMBED_MOST = 2 };

/* The loop, and the runtimes in it. */
struct embed_loop {
    int epoll;
    struct aio_runtime *runtimes[EMBED_MOST];
    int alive;
    uint64_t turns;
};

bool embed_open(struct embed_loop *loop);

/* Attaches a runtime; NULL, with a failure recorded, if there is none. ring_entries 0: as usual. */
struct aio_runtime *embed_attach(struct embed_loop *loop, int (*entry)(void *arg), void *arg);
struct aio_runtime *embed_attach_with(struct embed_loop *loop, uint32_t ring_entries,
                                      int (*entry)(void *arg), void *arg);

/* Waits at most that long for a runtime that is ready, and turns it. Returns whether one was. */
bool embed_turn(struct embed_loop *loop, int timeout_ms);

/* Turns until all runtimes are over. */
bool embed_run(struct embed_loop *loop);
void embed_close(struct embed_loop *loop);

/* What a runtime that is over ended with. */
int embed_result(struct aio_runtime *runtime);

#endif
