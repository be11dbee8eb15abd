/*
 * What the tests of shared channels have in common: threads, each a runtime of its own or plain,
 * that run functions over one channel.
 */
#ifndef AIO_TESTS_BEHAVIOUR_SHARED_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_SHARED_TOOLS_H

#include "tests/behaviour/task_tools.h"

#include <aio/shared.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { CREW_MAX = 8 };

struct crew;

/* A thread; plain, or with a runtime in which so many tasks run the body. */
struct crew_member {
    struct crew *crew;
    void (*body)(struct crew_member *member);
    int tasks; /* 0: a plain thread */
    int number;
    _Atomic int64_t count;
    pthread_t thread;
};

struct crew {
    struct aio_shared_channel *channel;
    struct crew_member members[CREW_MAX];
    int size;
    pthread_barrier_t end; /* no runtime ends while another may still be waking its tasks */
};

/* The crew holds the channel until crew_join. */
bool crew_open(struct crew *crew, size_t item_bytes, size_t capacity);
void crew_add(struct crew *crew, void (*body)(struct crew_member *member), int tasks);

/* Starts all, waits for all. */
void crew_run(struct crew *crew);

/* Or one after the other. */
void crew_start(struct crew *crew);
void crew_join(struct crew *crew);

/* Opens a channel; NULL, with a failure recorded, when that is refused. */
struct aio_shared_channel *shared_of(size_t item_bytes, size_t capacity);

#endif
